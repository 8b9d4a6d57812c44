# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb import --format sasldb: Berkeley DB as saslpasswd2 writes it, LMDB and GDBM, and the
text of db_dump and gdbm_dump."""

import base64
import json
import os
import shutil
import subprocess
import time
import unittest

import toolkit

CLOCK = os.environ.get("SASL_LMDB_FAST_CLOCK", "")
PAGE = 4096  # of the Berkeley DB files here
HASH = 13  # the type of their pages with records
SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
# What the sample holds.
PASSWORDS = {
    "alice@example.org": b"pa,ss $w#rd: alice",
    "bob@example.org": b"pa,ss $w#rd: bob",
    "Carol Ünd@example.org": "pa,ss $w#rd: Carol Ünd".encode(),
}
SCRAM = b"SCRAM-SHA-1$4096:eHh4eHh4eHg=$" + base64.b64encode(b"s" * 20) + b":" + base64.b64encode(
    b"t" * 20
)

IN_PLACE = unittest.skipUnless(
    os.geteuid() == 0 and os.path.exists("/usr/bin/db_dump")
    and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0,
    "needs root, namespaces and db_dump")


def db_dump(items, format_="bytevalue"):
    """The text db_dump prints for keys and values."""
    lines = ["VERSION=3", f"format={format_}", "type=hash", "HEADER=END"]
    for pair in items:
        for part in pair:
            if format_ == "bytevalue":
                lines.append(" " + part.hex())
            else:
                lines.append(" " + "".join(
                    "\\\\" if c == 92 else chr(c) if 32 <= c < 127 else f"\\{c:02x}" for c in part))
    return "\n".join(lines + ["DATA=END", ""]).encode()


def gdbm_dump(items):
    """The text gdbm_dump prints."""
    lines = ["# GDBM dump file created by GDBM version 1.23. 04/02/2022 on a day", "#:version=1.1",
             "#:file=x", "#:uid=0,user=root,gid=0,group=root,mode=600", "#:format=standard",
             "# End of header"]
    for pair in items:
        for part in pair:
            text = base64.b64encode(part).decode()
            lines.append(f"#:len={len(part)}")
            lines += [text[i : i + 76] for i in range(0, len(text), 76)]
    return "\n".join(lines + [f"#:count={len(items)}", "# End of data", ""]).encode()


def item(user, realm, prop, value):
    """A key and a value."""
    return (b"\0".join((user, realm, prop)), value)


class Sasldb(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()

    def load(self, path, *options, status=0):
        """Imports a file; the summary and what was said."""
        result = self.store.tool("import", "--format", "sasldb", "--json", *options, path)
        self.assertEqual(result.status, status, result)
        said = toolkit.as_lines(result.err).decode()
        return json.loads(result.out) if result.out else None, said

    def assert_sample(self, path):
        """The file holds what the sample holds."""
        counts, said = self.load(path)
        self.assertEqual((counts["imported"], said), (3, ""))
        for name, password in PASSWORDS.items():
            self.assert_verifies(self.store, name, password)
            self.assert_verifies(self.store, name, password[:-1], expected=False)

    def test_sample(self):
        sample = toolkit.contents(os.path.join(SAMPLES, "sasldb.dump"))
        self.assert_sample(self.file("sasldb.dump", sample))
        self.store = self.new_store(name="2.mdb", key="2.key")
        result = self.store.tool("import", "--format", "sasldb", "--strict", "-", stdin=sample)
        self.assertEqual((result.status, result.err), (0, b""), result)
        self.assertEqual(len(self.store.names()), 3)

    @unittest.skipUnless(shutil.which("saslpasswd2") and shutil.which("db_dump"), "no sasl2-bin")
    def test_berkeley_db_made_by_saslpasswd2(self):
        path = os.path.join(self.directory, "-sasldb2")
        for name, password in PASSWORDS.items():
            subprocess.run(
                ["saslpasswd2", "-p", "-c", "-f", path, "-u", "Example.ORG", name.split("@")[0]],
                input=password, check=True, timeout=toolkit.SECONDS, capture_output=True,
            )
        self.assert_sample(path)
        # The realm is written as saslpasswd2 was given it, and kept in lower case.
        listed = subprocess.run(["sasldblistusers2", "-f", path], capture_output=True,
                                check=True, timeout=toolkit.SECONDS).stdout.decode()
        self.assertEqual(sorted(listed.lower().splitlines()),
                         sorted(line.lower() for line in self.store.names()))
        before = self.store.digests()
        self.load(path, "--dry-run")
        self.assertEqual(self.store.digests(), before)
        counts, _ = self.load(path, "--strict")
        self.assertEqual(counts["replaced"], 3)
        # A name like an option, from the directory it is in.
        result = self.store.tool("import", "--format", "sasldb", "--dry-run", "--", "-sasldb2",
                                 cwd=self.directory)
        self.assertEqual(result.status, 0, result)

    @unittest.skipUnless(shutil.which("mdb_load"), "no lmdb-utils")
    def test_lmdb(self):
        items = [item(name.split("@")[0].encode(), b"Example.ORG", b"userPassword", password)
                 for name, password in PASSWORDS.items()]
        dump = db_dump(items).replace(b"type=hash", b"type=btree")
        path = os.path.join(self.directory, "sasldb2")
        subprocess.run(["mdb_load", "-n", path], input=dump, check=True, timeout=toolkit.SECONDS)
        os.chmod(path, 0o400)
        os.unlink(path + "-lock")
        self.assert_sample(path)
        self.assertFalse(os.path.exists(path + "-lock"))
        with open(path, "r+b") as file:
            file.truncate(6000)
        _, said = self.load(path, status=3)
        self.assertIn(f"{path}: is damaged", said)

    @unittest.skipUnless(shutil.which("mdb_load"), "no lmdb-utils")
    def test_lmdb_that_lies(self):
        """What LMDB stumbles over is lost with the process that reads it, and nothing else."""
        key = b"\0".join((b"alice", b"example.org", b"userPassword"))
        dump = db_dump([(key, b"secret")]).replace(b"type=hash", b"type=btree")
        path = os.path.join(self.directory, "sasldb2")
        subprocess.run(["mdb_load", "-n", path], input=dump, check=True, timeout=toolkit.SECONDS)
        whole = toolkit.contents(path)
        node = whole.rindex(key) - 8  # length of the value 4, flags 2, length of the key 2
        for at, wrong in ((6, b"\xff\xff"), (6, b"\x00\x20"), (4, b"\x04"), (0, b"\xff\xff")):
            with self.subTest(at=at, wrong=wrong):
                damaged = bytearray(whole)
                damaged[node + at : node + at + len(wrong)] = wrong
                lie = self.file("lie", bytes(damaged))
                counts, said = self.load(lie, status=3)
                self.assertIsNone(counts)
                self.assertIn(f"{lie}: is damaged", said)
        self.assertEqual(self.store.names(), [])

    @unittest.skipUnless(shutil.which("saslpasswd2") and shutil.which("db_dump"), "no sasl2-bin")
    def test_berkeley_db_without_an_end(self):
        """Pages that lead back to themselves: db_dump follows them for ever."""
        path = os.path.join(self.directory, "sasldb2")
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", path, "-u", "example.org", "alice"],
                       input=b"secret", check=True, timeout=toolkit.SECONDS, capture_output=True)
        whole = toolkit.contents(path)
        pages = [page for page in range(1, len(whole) // PAGE) if whole[page * PAGE + 25] == HASH]
        for empty, words in ((False, "more in it than there can be"), (True, "comes to no end")):
            with self.subTest(empty=empty):
                ring = bytearray(whole)
                for page in pages:
                    at = page * PAGE  # next page 16, entries 20, start of the free room 22
                    ring[at + 16 : at + 20] = page.to_bytes(4, "little")
                    if empty:
                        ring[at + 20 : at + 24] = b"\0\0" + PAGE.to_bytes(2, "little")
                lie = self.file("lie", bytes(ring))
                result = toolkit.run(
                    ["sh", "-c", 'ulimit -S -t 2; exec "$@"', "sh",
                     *self.store.command("import", "--format", "sasldb", lie)])
                self.assert_one_line(result, 3, "import", f"{lie}: is damaged", words)
        self.assertEqual(self.store.names(), [])

    def in_place_of_db_dump(self, script, **environment):
        """Imports what begins like a Berkeley DB file, with another program in db_dump's place."""
        path = self.file("sasldb2", b"\0" * 12 + b"\x61\x15\x06\0" + b"\0" * 48)
        program = self.file("program", b"#!/bin/sh\n" + script, mode=0o755)
        os.chmod(self.directory, 0o755)
        return toolkit.run(
            ["unshare", "-m", "--propagation", "private", "sh", "-ec",
             'mount --bind "$0" /usr/bin/db_dump; exec "$@"', program,
             *self.store.command("import", "--format", "sasldb", path)],
            env={**os.environ, **environment})

    @IN_PLACE
    def test_limits_of_the_program(self):
        result = self.in_place_of_db_dump(
            b'echo "$(ulimit -S -t) $(ulimit -S -v) $(ulimit -S -c)" >&2; exit 1\n')
        self.assertEqual(result.status, 3, result)
        self.assertIn(b"120 1048576 0\n", result.err)

    @IN_PLACE
    def test_what_the_program_says(self):
        """It is told in our one line, without the name that the copy has for the program."""
        path = os.path.join(self.directory, "sasldb2")
        for script, words in (
            (b'echo "db_dump: BDB3037 $1: file size not a multiple" >&2; echo more >&2; exit 1',
             f"{path}: /usr/bin/db_dump could not read it: file size not a multiple\n"),
            (b'echo "db_dump: no room" >&2; exit 1', "could not read it: db_dump: no room\n"),
            (b"yes >&2; exit 1", "could not read it: y\n"),  # ends: there is an end to the room
        ):
            with self.subTest(script=script):
                result = self.in_place_of_db_dump(script + b"\n")
                self.assert_one_line(result, 3, "import", words)
                self.assertNotIn(b"/proc/", result.err)

    @IN_PLACE
    @unittest.skipUnless(CLOCK, "a sanitized program refuses the clock")
    def test_a_program_that_waits(self):
        """It is given up after ten minutes, here of a clock that runs fast, and ended."""
        note = self.file("pid", b"")
        os.chmod(note, 0o666)
        result = self.in_place_of_db_dump(
            f"echo $$ > '{note}'; exec sleep 100000\n".encode(), LD_PRELOAD=CLOCK)
        self.assert_one_line(result, 3, "import", "not read within 600 seconds")
        pid = toolkit.contents(note).decode().strip()
        deadline = time.monotonic() + toolkit.SECONDS
        while os.path.exists(f"/proc/{pid}"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    @IN_PLACE
    def test_the_program_is_nobody(self):
        """It gets the file that root alone may read, and nothing of root's or of where we are."""
        text = db_dump([item(b"alice", b"example.org", b"userPassword", b"secret")]).decode()
        result = self.in_place_of_db_dump(
            b'[ "$(id -un) $(id -Gn) $(pwd) $(wc -c < "$1")" = "nobody nogroup / 64" ] || exit 1\n'
            b"[ ! -r /etc/shadow ] || exit 1\n"
            b"cat <<'END'\n" + text.encode() + b"END\n")
        self.assertEqual((result.status, result.err), (0, b""), result)
        self.assert_verifies(self.store, "alice@example.org", b"secret")
        for script, words in ((b"kill -SEGV $$", "is damaged"), (b"exit 1", "could not read it")):
            result = self.in_place_of_db_dump(script)
            self.assert_one_line(result, 3, "import", words)

    @unittest.skipUnless(shutil.which("gdbm_load") and shutil.which("gdbm_dump"), "no gdbmtool")
    def test_gdbm(self):
        items = [item(name.split("@")[0].encode(), b"Example.ORG", b"userPassword", password)
                 for name, password in PASSWORDS.items()]
        dump = self.file("dump", gdbm_dump(items))
        path = os.path.join(self.directory, "sasldb2")
        subprocess.run(["gdbm_load", dump, path], check=True, timeout=toolkit.SECONDS)
        os.chmod(path, 0o600)
        self.assert_sample(path)

    def test_texts(self):
        items = [item(name.split("@")[0].encode(), b"Example.ORG", b"userPassword", password)
                 for name, password in PASSWORDS.items()]
        items.append(item(b"long", b"example.org", b"userPassword", b"\\p" * 400))
        for text in (db_dump(items), db_dump(items, "print"), gdbm_dump(items)):
            self.store = self.new_store("--verifiers", "scram-sha-1", name=f"{hash(text)}.mdb")
            counts, said = self.load(self.file("text", text))
            self.assertEqual((counts["imported"], said), (4, ""))
            for name, password in PASSWORDS.items():
                self.assert_verifies(self.store, name, password)
            self.assert_verifies(self.store, "long@example.org", b"\\p" * 400)

    def test_verifiers_are_kept(self):
        self.set_password(self.store, "donor@example.org", b"secret")
        result = self.store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy")
        donor = json.loads(result.out)
        cram = base64.b64decode(donor["cmusaslsecretCRAM-MD5"])
        plain = base64.b64decode(donor["cmusaslsecretPLAIN"])
        both = [item(b"both", b"example.org", b"authPassword", SCRAM),
                item(b"both", b"example.org", b"userPassword", b"secret")]
        items = [
            item(b"a", b"example.org", b"authPassword", SCRAM),
            item(b"a", b"example.org", b"cmusaslsecretCRAM-MD5", cram),
            item(b"a", b"example.org", b"cmusaslsecretPLAIN", plain),
            item(b"a", b"example.org", b"cmusaslsecretDIGEST-MD5", b"d" * 16),
            item(b"a", b"example.org", b"cmusaslsecretOTP", b"sha1"),
        ]
        # Neighbours in the file or not: an account is put together.
        counts, said = self.load(self.file("dump", db_dump(items[:2] + both + items[2:])))
        self.assertEqual((counts["imported"], said), (2, ""))
        self.assertEqual(counts["mechanisms"]["CRAM-MD5"], 2)
        result = self.store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy",
                                 "--user", "a@example.org")
        kept = json.loads(result.out)
        self.assertEqual(kept["authPassword"], [SCRAM.decode()])
        for key in ("cmusaslsecretCRAM-MD5", "cmusaslsecretPLAIN"):
            self.assertEqual(kept[key], donor[key])
        self.assertEqual(kept["cmusaslsecretDIGEST-MD5"], [
            {"realm": "example.org", "ha1": "64" * 16}])
        self.assert_verifies(self.store, "both@example.org", b"secret")

    def test_bad_accounts(self):
        good = item(b"good", b"z.example", b"userPassword", b"x")
        for bad, word in (
            (item(b"a", b"example.org", b"userPassword", b""), "empty"),
            (item(b"a", b"example.org", b"userPassword", b"Geheim\0"), "NUL"),
            (item(b"a", b"example.org", b"userPassword", b"Geheim\xff"), "UTF-8"),
            (item(b"a@b", b"example.org", b"userPassword", b"Geheim"), '"@"'),
            (item(b"", b"example.org", b"userPassword", b"Geheim"), "empty"),
            (item(b"a", b"", b"userPassword", b"Geheim"), "realm"),
            (item(b"a", b"ex ample", b"userPassword", b"Geheim"), "realm"),
            (item(b"a", b"example.org", b"cmusaslsecretOTP", b"Geheim"), "neither"),
            (item(b"a", b"example.org", b"authPassword", b"Geheim"), "form"),
            (item(b"a", b"example.org", b"cmusaslsecretCRAM-MD5", b"Geheim"), "form"),
            (item(b"a", b"example.org", b"cmusaslsecretPLAIN", b"Geheim"), "form"),
            (item(b"a", b"Example.org", b"cmusaslsecretDIGEST-MD5", b"d" * 16), "spelling"),
        ):
            counts, said = self.load(self.file("dump", db_dump([good, bad])), status=1)
            self.assertEqual((counts["imported"], counts["skipped"]), (1, 1), said)
            self.assertTrue(said.startswith("sasl-lmdb: import: account 1: "), said)
            self.assertIn(word, said)
            self.assertNotIn("Geheim", said)
            self.assertEqual(len([s for s in said.splitlines() if ": note: " not in s]), 1)
        counts, _ = self.load(self.file("dump", db_dump([good, bad])), "--from-line", "2")
        self.assertEqual((counts["imported"], counts["skipped"]), (1, 0))

    def test_texts_that_are_none(self):
        good = db_dump([item(b"a", b"r.example", b"userPassword", b"Geheim")])
        gdbm = gdbm_dump([item(b"a", b"r.example", b"userPassword", b"Geheim")])
        for text in (
            b"", b"\n", b"alice:secret\n", b"VERSION=2\n", good[:20], good[:-10], good[:-30],
            good.replace(b"DATA=END", b" 00\nDATA=END"), good.replace(b" 61", b"61"),
            good.replace(b" 61", b" 6"), good.replace(b" 61", b" 6G"),
            db_dump([(b"version", b"Geheim")]), db_dump([(b"a\0b", b"Geheim")]),
            gdbm[:60], gdbm[:-20], gdbm.replace(b"#:len=6\n", b"#:len=7\n"),
            gdbm.replace(b"#:len=6\n", b"#:len=99999999\n"), gdbm.replace(b"R2Vo", b"*2Vo"),
            gdbm.replace(b"#:len=6\n", b"#:len=600\n"),
        ):
            _, said = self.load(self.file("dump", text), status=1)
            self.assertEqual(said.count("\n"), 1, (text, said))
            self.assertNotIn("Geheim", said)
            self.assertEqual(self.store.names(), [])
        for path in ("/nonexistent", self.directory):
            _, said = self.load(path, status=3)
            self.assertEqual(said.count("\n"), 1, said)

    @unittest.skipUnless(shutil.which("db_dump"), "no db-util")
    def test_a_damaged_database(self):
        head = b"\0" * 12 + (0x00061561).to_bytes(4, "little") + b"\xff" * 4096
        _, said = self.load(self.file("sasldb2", head), status=3)
        self.assertIn("could not read it", said)
        self.assertEqual(self.store.names(), [])


if __name__ == "__main__":
    toolkit.main()
