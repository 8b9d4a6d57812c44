#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""check: what it says of a sound store, and of one with damage anywhere in the file."""

import json
import os
import struct
import subprocess

import toolkit

REALM = "example.org"
ACCOUNTS = 60
PAGE = 4096
STEP = int(os.environ.get("SASL_LMDB_FLIP_STEP", "211"))  # bits between two flips tried


class Check(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        lines = b"".join(b"user%d\t%s\tpw %d\n" % (i, REALM.encode(), i) for i in range(ACCOUNTS))
        result = self.store.tool("import", "--format", "tsv", "-", stdin=lines)
        self.assertEqual(result.status, 0, result)

    def report(self, status, **keywords):
        result = self.store.tool("check", "--json", **keywords)
        self.assertEqual(result.status, status, result)
        return json.loads(result.out)

    def test_a_sound_store(self):
        result = self.store.tool("check")
        self.assertEqual((result.status, result.err), (0, b""))
        self.assertTrue(result.out.startswith(b"60 accounts, 60 sound"), result)
        report = self.report(0)
        self.assertEqual((report["accounts"], report["sound"], report["damages"]), (60, 60, 0))
        self.assertEqual(report["verifiers"]["CRAM-MD5"], 60)
        self.assertEqual(report["findings"], [])
        self.assertIs(report["clean"], True)

    def test_while_others_write(self):
        with subprocess.Popen(
            ["sh", "-c", 'while :; do "$@" >/dev/null || exit; done', "sh"]
            + self.store.command("import", "--format", "tsv", self.file("a", b"w\texample.org\tx\n"))
        ) as writer:
            for _ in range(20):
                self.report(0)
            self.assertIsNone(writer.poll())
            writer.terminate()
            writer.wait()

    def test_modes_that_init_does_not_make(self):
        for path, mode, words in (
            (self.store.path, 0o604, f"chmod 0600 {self.store.path}"),
            (self.store.path, 0o640, None),
            (self.store.lock, 0o666, f"chmod 0600 {self.store.lock}"),
            (self.store.key, 0o400, f"chmod 0600 {self.store.key}"),
        ):
            before = os.stat(path).st_mode & 0o7777
            os.chmod(path, mode)
            result = self.store.tool("check")
            self.assertEqual(result.status, 0, result)
            self.assertIn(b"60 accounts, 60 sound", result.out)
            if words is None:
                # The group may read the data, so it has to be able to write the lock file.
                words = f"chmod 0660 {self.store.lock}"
            self.assert_one_line(result, 0, "warning: the ", words)
            os.chmod(path, before)
            self.assertEqual(self.store.tool("check").err, b"")

    def test_owners_that_init_does_not_make(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        os.chmod(self.directory, 0o755)
        self.assertEqual(self.store.tool("set", "--upgrade").status, 0)
        files = [self.store.path, self.store.lock, self.store.key,
                 self.store.path + "-tickets", self.store.key + "-tickets"]
        for path in files:
            os.chown(path, 65534, 65534)
        self.assertEqual(self.store.tool("check").err, b"")
        for path in (files[3], files[4]):
            os.chown(path, 13, 65534)
            result = self.store.tool("check")
            self.assert_one_line(result, 0, "user 13", f"chown -h 65534:65534 {path}")
            command = result.err.decode().split(": chown ", 1)[1]
            self.assertEqual(toolkit.run(["sh", "-c", "chown " + command]).status, 0)
            self.assertEqual(self.store.tool("check").err, b"")
        self.no_command_where_others_can_write(files[0])

    def no_command_where_others_can_write(self, path):
        """What chmod would be given may be a link by then, or what the directory's path leads to."""
        os.chmod(path, 0o604)
        linked = os.path.join(self.directory, "linked")
        os.mkdir(os.path.join(self.directory, "away"), 0o777)
        os.chmod(os.path.join(self.directory, "away"), 0o777)
        os.symlink("..", os.path.join(self.directory, "away/back"))
        os.symlink("away/back", linked)
        by_link = [part.replace(self.directory, linked) for part in self.store.command("check")]
        for mode, command, given in ((0o755, self.store.command("check"), True), (0o755, by_link, False),
                                     (0o777, self.store.command("check"), False),
                                     (0o1777, self.store.command("check"), False)):
            os.chmod(self.directory, mode)
            result = toolkit.run(command)
            self.assert_one_line(result, 0, "has mode 0604")
            self.assertEqual(b"chmod" in result.err, given, result)
            self.assertEqual(b"its directory comes first" in result.err, not given, result)
        os.chmod(self.directory, 0o755)
        os.chmod(path, 0o600)

    def test_links_are_not_followed(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        os.chmod(self.directory, 0o755)
        for path in (self.store.path, self.store.lock, self.store.key):
            os.chown(path, 65534, 65534)
        target = self.file("shadow", b"root:x\n")
        os.chmod(target, 0o640)
        tickets = self.store.path + "-tickets"
        os.symlink(target, tickets)
        self.assertEqual(self.store.tool("check").err, b"")  # root's own
        os.chown(tickets, 65534, 65534, follow_symlinks=False)
        result = self.store.tool("check")
        self.assert_one_line(result, 0, f"the ticket file {tickets} is a symbolic link of user 65534")
        self.assertNotIn(b"chown", result.err)
        os.unlink(tickets)
        # The store itself: nothing is measured by what it leads to.
        os.rename(self.store.path, self.store.path + ".real")
        os.rename(self.store.lock, self.store.path + ".real-lock")
        os.chmod(self.store.path + ".real", 0o644)
        os.symlink(self.store.path + ".real", self.store.path)
        os.chown(self.store.path, 65534, 65534, follow_symlinks=False)
        result = self.store.tool("check")
        self.assert_one_line(result, 0, f"the store {self.store.path} is a symbolic link")
        self.assertNotIn(b"chown", result.err)

    def test_the_remedy_can_be_pasted(self):
        store = self.new_store(name="it's; exit 3 #.mdb", key="odd.key")
        os.chmod(store.path, 0o604)
        result = store.tool("check")
        self.assert_one_line(result, 0, "warning: the store ")
        command = result.err.decode().split(": chown ", 1)[1]
        self.assertEqual(toolkit.run(["sh", "-c", "chown " + command]).status, 0)
        self.assertEqual(store.tool("check").err, b"")

    def test_usage(self):
        self.assertEqual(self.store.tool("check", "x").status, 2)
        self.assertEqual(self.store.tool("check", "--nonsense").status, 2)

    def test_what_cannot_be_checked(self):
        missing = toolkit.Store(self.directory, "missing.mdb", "key")
        self.assertEqual(missing.tool("check").status, 3)
        os.rename(self.store.key, self.store.key + ".away")
        self.assert_one_line(self.store.tool("check"), 3, "key")
        self.new_store(name="other.mdb", key="other.key")
        other = toolkit.Store(self.directory, "users.mdb", "other.key")
        result = other.tool("check")
        self.assertEqual(result.status, 3, result)
        self.assertIn(b"wants key 1", result.err)

    def damaged(self, data):
        """Writes the file, and a lock file nobody has used."""
        with open(self.store.path, "r+b") as file:
            file.truncate(0)
            file.write(data)

    def test_not_a_store_any_more(self):
        good = toolkit.contents(self.store.path)
        for bad in (bytes(len(good)), good[:PAGE], good[: 3 * PAGE], b"x" * len(good)):
            self.damaged(bad)
            result = self.store.tool("check")
            self.assertEqual(result.status, 1, result)
            self.assertTrue(result.err, result)

    def test_a_flipped_bit_in_a_record_names_the_user(self):
        good = toolkit.contents(self.store.path)
        head = b"\1\0\0\0\0\0\0\1"  # version, flags, reserved, key id; also in pages that are free
        record = good.find(head)
        hit = 0
        while record > 0 and hit < 5:
            bad = bytearray(good)
            bad[record + (20, 40, 50, 60, 400)[hit]] ^= 4
            self.damaged(bad)
            report = json.loads(self.store.tool("check", "--json").out)
            named = [f for f in report["findings"] if f["user"]]
            if named:
                hit += 1
                self.assertRegex(named[0]["user"], r"^user\d+$")
                self.assertEqual(named[0]["realm"], REALM)
                self.assertEqual(report["sound"], ACCOUNTS - 1)
                text = self.store.tool("check")
                self.assertEqual(text.status, 1)
                self.assertIn(f"{named[0]['user']}@{REALM}: its seal".encode(), text.out)
                self.assertIn(b"saslpasswd-lmdb -d", text.out)
                self.delete_damaged(f"{named[0]['user']}@{REALM}")
            record = good.find(head, record + 1)
        self.assertEqual(hit, 5)

    def delete_damaged(self, name):
        """What check names can be deleted, and then nothing is wrong any more."""
        self.assertEqual(self.store.tool("disable", name).status, 3)
        result = self.store.passwd("-d", name)
        self.assertEqual(result.status, 0, result)
        self.assertIn(b"its record was damaged", result.err)
        report = self.report(0)
        self.assertEqual((report["accounts"], report["sound"]), (ACCOUNTS - 1, ACCOUNTS - 1))
        self.assertNotIn(f"{name}: userPassword", self.store.names())
        result = self.store.passwd("-d", name)
        self.assertEqual((result.status, result.err),
                         (0, f"saslpasswd-lmdb: {name}: no such user\n".encode()))

    def pages(self, data):
        """Numbers of pages that LMDB's headers say are branch, leaf or overflow pages."""
        for number in range(2, len(data) // PAGE):
            page = data[number * PAGE : (number + 1) * PAGE]
            at, _, flags = struct.unpack_from("<QHH", page)
            if at == number and flags & 0x7:
                yield number, struct.unpack_from("<HH", page, 12)

    def test_flips_in_pages_are_found_or_harmless(self):
        good = toolkit.contents(self.store.path)
        names = self.store.names()
        found = harmless = died = 0
        bits = []
        for number, (lower, _) in self.pages(good):
            # The header and the table of nodes; then all the rest, more thinly.
            bits += range(number * PAGE * 8, (number * PAGE + max(lower, 16)) * 8, 13)
        bits += range(2 * PAGE * 8, len(good) * 8, len(good) * 8 // 60)
        for bit in bits[:: max(1, STEP // 13)]:
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            self.damaged(bad)
            result = self.store.tool("check", "--json")
            self.assertIn(result.status, (0, 1), (bit, result))
            report = json.loads(result.out)
            if result.status == 1:
                found += 1
                died += report["died"] is not None
                self.assertTrue(report["damages"] or report["died"] or result.err, (bit, report))
                continue
            harmless += 1
            self.assertEqual(report["sound"], ACCOUNTS)
            self.assertEqual(self.store.names(), names, bit)
            # A writer can go on with what check has called sound.
            self.set_password(self.store, f"user7@{REALM}", b"pw 7")
            self.assertEqual(self.store.tool("check").status, 0, bit)
            self.assert_verifies(self.store, f"user59@{REALM}", b"pw 59")
        print(f"flips: {found} found ({died} ended the reading process), {harmless} harmless")
        self.damaged(good)
        self.report(0)

    def test_progress_on_a_terminal(self):
        terminal = toolkit.Terminal(self.store.command("check"))
        self.addCleanup(terminal.close)
        status, said = terminal.finish()
        self.assertEqual(status, 0, said)
        self.assertIn(b"60 accounts, 60 sound", said)


if __name__ == "__main__":
    toolkit.main()
