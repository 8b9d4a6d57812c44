# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb import from what other programs keep: a sample file of each format, and bad ones.

The samples were made by the programs themselves (doveadm pw, htpasswd, mkpasswd).
"""

import base64
import json
import os

import toolkit

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
PASSWORD = b"pa,ss $w#rd"


class Formats(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()

    def load(self, format_, contents, *options, status=0):
        """Imports bytes, or a sample by its name; the --json summary and what was said."""
        if isinstance(contents, str):
            contents = toolkit.contents(os.path.join(SAMPLES, contents))
        path = self.file("input", contents)
        result = self.store.tool("import", "--format", format_, "--json", "-u", "example.org",
                                 *options, path)
        self.assertEqual(result.status, status, (contents, result))
        said = toolkit.as_lines(result.err).decode().splitlines()
        return json.loads(result.out) if result.out else None, said

    def export(self):
        """The accounts with all their verifiers."""
        result = self.store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy")
        self.assertEqual(result.status, 0, result)
        objects = [json.loads(line) for line in result.out.splitlines()]
        return {f"{o['user']}@{o['realm']}": o for o in objects}

    def assert_bad_lines(self, format_, bad, *options):
        """Each of the inputs is one bad line, told with a word, and nothing is stored."""
        for contents, number, word in bad:
            counts, said = self.load(format_, contents, *options, status=1)
            self.assertEqual((counts["imported"], counts["skipped"]), (0, 1), (contents, said))
            self.assertEqual(len(said), 1, (contents, said))
            self.assertTrue(said[0].startswith(f"sasl-lmdb: import: line {number}: "), said)
            self.assertIn(word, said[0], contents)
            self.assertNotIn("Geheim", said[0])
        self.assertEqual(self.store.names(), [])

    def assert_strict_and_dry_run(self, format_, sample):
        """Neither writes anything for a sample with bad lines, and both find them all."""
        before = self.store.digests()
        counts, said = self.load(format_, sample, "--dry-run", status=1)
        _, strict = self.load(format_, sample, "--strict", status=1)
        self.assertEqual(strict[:-1], said)
        self.assertIn("nothing was written", strict[-1])
        self.assertEqual(self.store.digests(), before)
        return counts

    def test_dovecot(self):
        checked = self.assert_strict_and_dry_run("dovecot", "dovecot.passwd")
        counts, said = self.load("dovecot", "dovecot.passwd", status=1)
        self.assertEqual({**checked, "dry_run": False}, counts)
        self.assertEqual((counts["imported"], counts["skipped"]), (15, 3))
        self.assertEqual([line.split(": ")[2] for line in said], ["line 18", "line 19", "line 20"])
        self.assertEqual(counts["mechanisms"], {
            "PLAIN": 11, "LOGIN": 11, "SCRAM-SHA-1": 3, "SCRAM-SHA-256": 3, "SCRAM-SHA-512": 2,
            "CRAM-MD5": 4, "DIGEST-MD5": 4, "sasl_checkpass": 2,
        })
        for user in ("scram256", "scram1", "plain", "blf", "sha512", "sha256", "md5", "crypt",
                     "bare-crypt"):
            self.assert_verifies(self.store, f"{user}@example.org", PASSWORD)
            self.assert_verifies(self.store, f"{user}@example.org", PASSWORD[:-1], expected=False)
        self.assert_verifies(self.store, "plain64@example.org", b"p:a,ss $w#rd")
        self.assertIs(self.store.accounts()["off@example.org"]["disabled"], True)

    def test_dovecot_fields_may_be_missing(self):
        """Behind a hash all of them; behind a password, which might hold the colon, not so many."""
        crypt = "$6$2ZeY2So/Iuxtvm9T$iCBz7xFT.6O7zT6n6ZMIK8tbsUZtWDVVB52wywtcUx3ZsUVa7CfMC4LQ1StP" \
                "mjhCrx9kKXGp6vTVptTFTyPNk."
        for rest in ("", ":", ":1000", ":1000:1000", ":1000:1000::/home/a", ":1000:1000::/home/a:"):
            counts, said = self.load("dovecot", f"a:{crypt}{rest}\n".encode(), "--replace")
            self.assertEqual((counts["imported"], said), (1, []), rest)
            self.assert_verifies(self.store, "a@example.org", PASSWORD)
        for rest, whole in (("", True), (":1000:1000::/home/a", True), (":mail:mail::/srv:", True),
                            (":::::", True), (":", False), (":1000:1000", False),
                            (":1000:1000::", False), (":10 00:1000::/home/a", False)):
            counts, said = self.load("dovecot", f"a:{{PLAIN}}x{rest}\n".encode(),
                                     status=0 if whole else 1)
            self.assertEqual((counts["imported"], len(said)), (1, 0) if whole else (0, 1), rest)

    def test_dovecot_s_md5_verifiers_are_ours(self):
        self.load("dovecot", "dovecot.passwd", status=1)
        for name in ("cram", "cram64", "digest", "digest-bare"):
            self.set_password(self.store, f"{name}2@example.org", PASSWORD)
        self.set_password(self.store, "digest@example.net", PASSWORD)
        accounts = self.export()
        key = "cmusaslsecretCRAM-MD5"
        for name in ("cram", "cram64"):
            self.assertEqual(accounts[f"{name}@example.org"][key], accounts["cram2@example.org"][key])
        digest, = accounts["digest@example.org"]["cmusaslsecretDIGEST-MD5"]
        self.assertEqual((digest["realm"], "full_name" in digest), ("example.org", False))
        bare, = accounts["digest-bare@example.org"]["cmusaslsecretDIGEST-MD5"]
        self.assertEqual((bare["realm"], "full_name" in bare), ("", False))
        self.set_password(self.store, "digest@example.org", PASSWORD)
        self.set_password(self.store, "digest-bare@example.org", PASSWORD)
        accounts = self.export()
        self.assertIn(digest, accounts["digest@example.org"]["cmusaslsecretDIGEST-MD5"])
        self.assertIn(bare, accounts["digest-bare@example.org"]["cmusaslsecretDIGEST-MD5"])

    def test_dovecot_bad_lines(self):
        scram = "4096," + ",".join(base64.b64encode(b"x" * n).decode() for n in (16, 32, 32))
        self.assert_bad_lines("dovecot", [
            (line.encode(), 1, word) for line, word in (
                ("alice", "user:password"), ("alice:", "empty"), (" alice:x", "not a hash"),
                ("alice:Geheim", "not a hash"), ("a@b@c:{PLAIN}Geheim", "one '@'"),
                ("alice:{PLAIN}", "empty"), ("alice:{PLAIN}a:Geheim", "{PLAIN.b64}"),
                ("alice:{PLAIN}x:5000:Gehe im:::::", "{PLAIN.b64}"),
                ("alice:{PLAIN.b64}Geheim*", "base64"), ("alice:{PLAIN.rot13}Geheim", "encoding"),
                ("alice:{PLAIN.hex}0", "hexadecimal"), ("alice:{PLAIN.hex}0x", "hexadecimal"),
                ("alice:{PLAIN.hex}c0", "UTF-8"), ("alice:{PLAIN.hex}610a", "SASLprep"),
                ("alice:{GEHEIM}x", "not known"), ("alice:{}x", "not known"),
                ("alice:{SSHA512}Geheim", "{SSHA512}"), ("alice:{ARGON2ID}Geheim", "{ARGON2ID}"),
                ("alice:{SCRAM-SHA-256}" + scram[:-1], "iterations,salt"),
                ("alice:{SCRAM-SHA-256}0" + scram[4:], "iterations,salt"),
                ("alice:{SCRAM-SHA-256}99999999" + scram[4:], "iterations,salt"),
                ("alice:{SCRAM-SHA-1}" + scram, "iterations,salt"),
                ("alice:{SCRAM-SHA-256}" + scram + ",x", "iterations,salt"),
                ("alice:{CRAM-MD5}00ff", "32 bytes"), ("alice:{CRAM-MD5}" + "0" * 63, "hexa"),
                ("alice:{DIGEST-MD5}" + "0" * 34, "16 bytes"),
                ("alice@Example.ORG:{DIGEST-MD5}" + "0" * 32, "spelling"),
                ("alice:{CRYPT}$apr1$x$Geheim", "Apache"), ("alice:{CRYPT}$6$salt$short", "crypt"),
                ("alice:{CRYPT}$9$salt$" + "x" * 43, "crypt"), ("alice:{CRYPT}ab cdefghijkl", "crypt"),
                ("alice:{CRYPT}" + "x" * 12, "crypt"), ("alice:{BLF-CRYPT}$2y$05$short", "crypt"),
            )
        ])

    def test_htpasswd(self):
        counts, said = self.load("htpasswd", "htpasswd", status=1)
        self.assertEqual((counts["imported"], counts["skipped"]), (4, 3))
        for line, word in zip(said, ("Apache", "{SHA}", "not a hash")):
            self.assertIn(word, line)
        for user in ("bcrypt", "sha512", "sha256", "des"):
            self.assert_verifies(self.store, f"{user}@example.org", PASSWORD)
            self.assert_verifies(self.store, f"{user}@example.org", b"PA" + PASSWORD[2:], False)

    def test_htpasswd_bad_lines(self):
        self.assert_bad_lines("htpasswd", [
            (b"alice", 1, "user:hash"), (b":$2y$05$", 1, "empty"), (b"\nalice:\n", 2, "not a hash"),
            (b"# x\nalice:{SHA}R2VoZWlt\n", 2, "{SHA}"), (b"alice:$apr1$x$Geheim", 1, "$apr1$"),
            (b"alice:" + b"x" * 8200, 1, "too long"), (b"alice:\0\0\0\0\0\0\0\0\0\0\0\0\0", 1, "hash"),
        ])

    def test_hashes_that_cost_too_much(self):
        """Each login would hang a server process for as long as the hash says."""
        hashes = ("$2b$31$" + "x" * 53, "$6$rounds=999999999$salt$" + "x" * 86,
                  "$5$rounds=1000001$salt$" + "x" * 43, "$y$jET$salt$" + "x" * 43,
                  "$7$FU..../....salt$" + "x" * 43, "_zzzzsalt" + "x" * 11)
        self.assert_bad_lines("htpasswd", [
            (f"# x\nalice:{hash_}\n".encode(), 2, "costs") for hash_ in hashes])
        self.assert_bad_lines("dovecot", [
            (f"alice:{{CRYPT}}{hash_}".encode(), 1, "costs") for hash_ in hashes])
        self.assert_bad_lines("shadow", [
            (f"alice:{hash_}:::::::".encode(), 1, "costs") for hash_ in hashes])
        self.assert_bad_lines("ldif", [
            (f"dn: x\nuid: a\nuserPassword: {{crypt}}{hash_}\n".encode(), 1, "costs")
            for hash_ in hashes])

    def test_shadow(self):
        counts, said = self.load("shadow", "shadow")
        self.assertEqual((counts["imported"], counts["skipped"], counts["locked"]), (2, 0, 5))
        self.assertEqual(len(said), 6)
        self.assertIn("saslpasswd-lmdb -c", said[-1])
        self.assertIn("sasl-lmdb disable", said[-1])
        self.assert_verifies(self.store, "alice@example.org", PASSWORD)
        self.assert_verifies(self.store, "bob@example.org", PASSWORD)
        accounts = self.store.accounts()
        self.assertEqual(accounts["bob@example.org"]["expires"], "2243-10-17T00:00:00Z")
        self.assertEqual(accounts["bob@example.org"]["changed"], "2023-12-10T00:00:00Z")
        self.assertIsNone(accounts["alice@example.org"]["expires"])
        # Locked accounts are no fault of the file.
        counts, _ = self.load("shadow", "shadow", "--strict")
        self.assertEqual((counts["replaced"], counts["locked"]), (2, 5))
        # Nothing is there from before, after this.
        counts, said = self.load("shadow", "shadow", "--replace")
        self.assertEqual(counts["locked"], 5)
        self.assertNotIn("disable", said[-1])

    def test_shadow_bad_lines(self):
        ok = b"$5$salt$" + b"x" * 43
        self.assert_bad_lines("shadow", [
            (b"alice\n", 1, "shadow(5)"), (b"alice:" + ok + b":::::::::", 1, "shadow(5)"),
            (b"alice:Geheim:1::::::", 1, "not a hash"), (b":" + ok + b":1::::::", 1, "empty"),
            (b"alice:" + ok + b":x::::::", 1, "day"), (b"alice:" + ok + b":1:::::-1:", 1, "day"),
            (b"alice:" + ok + b":1:::::9999999:", 1, "day"), (b"\nal\xffice:x:1::::::", 2, "UTF-8"),
        ])

    def test_ldif(self):
        self.assert_strict_and_dry_run("ldif", "users.ldif")
        counts, said = self.load("ldif", "users.ldif", status=1)
        self.assertEqual((counts["imported"], counts["skipped"]), (6, 4))
        for line, word in zip(said, ("line 39: ssha@example.org: no mechanism here can use a {SSHA} value",
                                     "line 43: sasl@example.org: no mechanism here can use a {SASL} value",
                                     "line 47: it has neither", "line 50: an entry with a")):
            self.assertIn(word, line)
        for user in ("scram@example.org", "clear@example.org", "crypt@example.org",
                     "both@example.org", "Mail.Only@other.example"):
            self.assert_verifies(self.store, user, PASSWORD)
            self.assert_verifies(self.store, user, b"x", expected=False)
        self.assert_verifies(self.store, "clear64@example.org", b"p:a,ss $w#rd")
        accounts = self.store.accounts()
        self.assertEqual(accounts["scram@example.org"]["verifiers"],
                         ["SCRAM-SHA-1", "SCRAM-SHA-256"])
        self.assertEqual(accounts["both@example.org"]["verifiers"], ["crypt"])

    def test_ldif_lines(self):
        text = (
            b"dn: uid=alice\r\n# comment\r\n  goes on\r\nuid: al\r\n ice\r\n"
            b"jpegPhoto:: " + b"A" * 20000 + b"\r\nuserPassword: a b\r\n  c\r\n"
            b"description: userPassword: no\r\n\r\n\r\n"
            b"dn: uid=bob\r\nchangetype: add\r\nuid: bob\r\nuserPassword:: eA==\r\n"
        )
        counts, said = self.load("ldif", text)
        self.assertEqual((counts["imported"], said), (2, []))
        self.assert_verifies(self.store, "alice@example.org", b"a b c")
        self.assert_verifies(self.store, "bob@example.org", b"x")
        counts, _ = self.load("ldif", text, "--from-line", "2")
        self.assertEqual(counts["imported"], 1)
        counts, said = self.load("ldif", b"")
        self.assertEqual(counts["imported"], 0)
        self.assertEqual(said, ["sasl-lmdb: import: note: there is no account in the input"])

    def test_ldif_bad_entries(self):
        auth = b"SCRAM-SHA-1$4096:eA==$eA==:eA=="
        self.assert_bad_lines("ldif", [
            (b"dn: x\nuid: a\nuserPassword:: Geheim*\n", 1, "decoded"),
            (b"\n\ndn: x\nuid: a\nuserPassword:< file:///etc/shadow\n", 3, "decoded"),
            (b"dn: x\nuid: a\nuserPassword: " + b"x" * 5000, 1, "decoded"),
            (b"dn: x\nuid: a\nuserPassword:\n", 1, "empty"),
            (b"dn: x\nuid: a\nuserPassword: {crypt}Geheim\n", 1, "not a hash"),
            (b"dn: x\nuid: a\nauthPassword: " + auth + b"\n", 1, "authPassword"),
            (b"dn: x\nuid: a\nauthPassword: SCRAM-SHA-1$1000001:eA==$" + b"A" * 27 + b"=:"
             + b"A" * 27 + b"=\n", 1, "authPassword"),
            (b"dn: x\nuid: a\nauthPassword: MD5$eA==$eA==\n", 1, "authPassword"),
            (b"dn: x\nuid: a\nchangetype: modify\nreplace: userPassword\n", 1, "change"),
            (b"dn: x\nuid: a@b@c\nuserPassword: x\n", 1, "one '@'"),
            (b"dn: x\nuid:: /w==\nuserPassword: x\n", 1, "UTF-8"),
            (b"dn: x\nuserPassword: x", 1, "no uid"),
        ])
        counts, said = self.load("ldif", b"dn: x\nuid: a\nuserPassword: {crypt}!\n")
        self.assertEqual((counts["imported"], counts["locked"]), (0, 1))
        self.assertIn("locked", said[0])

    def test_csv(self):
        counts, said = self.load("csv", "users.csv")
        self.assertEqual((counts["imported"], said), (4, []))
        self.assert_verifies(self.store, "alice@example.org", b"simple")
        self.assert_verifies(self.store, "bob@example.org", b'pa;ss "quoted", $w#rd:')
        self.assert_verifies(self.store, "carol@other.example", b" leading and trailing ")
        self.assert_verifies(self.store, "dave@example.org", b"x,y")
        self.load("csv", b'user,password\n"q""x",""""\n')
        self.assert_verifies(self.store, 'q"x@example.org', b'"')

    def test_csv_forms(self):
        for text in (
            b"user,password\nalice,secret\n", b"Password,USERNAME\r\nsecret,alice\r\n",
            b'\xef\xbb\xbf"user","password"\n"alice","secret"', b"email;pass\nalice@example.org;secret\n",
            b"user,realm,password\nalice,,secret\n", b'"x,y";user;password\n1;alice;secret\n',
            b"user,password\n\nalice,secret\n\n\n", b"login,domain,password\nalice,EXAMPLE.org,secret",
            b'a,user,password\n"1\r\n\r\n2",alice,secret\r\n',
            b'user,password,realm\n"alice","secret","example.org"',
        ):
            self.store = self.new_store("--verifiers", "scram-sha-256", name=f"{hash(text)}.mdb")
            counts, said = self.load("csv", text)
            self.assertEqual((counts["imported"], said), (1, []), text)
            self.assert_verifies(self.store, "alice@example.org", b"secret")

    def test_csv_from_line(self):
        text = b'user,password,note\na,x,1\nb,y,"2\n3"\nc,z,4\n'
        for start, names in ((1, "abc"), (2, "abc"), (3, "bc"), (4, "c"), (5, "c"), (6, "")):
            counts, _ = self.load("csv", text, "--from-line", str(start), "--dry-run")
            self.assertEqual(counts["imported"], len(names), start)

    def test_csv_bad_lines(self):
        head = b"user,realm,password\n"
        self.assert_bad_lines("csv", [
            (head + line, 2, word) for line, word in (
                (b"a,b.example,pa,Geheim", "4 fields"), (b"a,Geheim", "2 fields"),
                (b'a,b.example,pa"Geheim', "quotation mark"), (b'a,b.example,"Geheim" ', "quotation"),
                (b'a,b.example,"Geheim\nx', "not closed"), (b'"a b",b.example,Geheim\x01', "SASLprep"),
                (b"a,b.example,", "empty"), (b",b.example,Geheim", "empty"),
                (b"a,b example,Geheim", "realm"), (b"a@b,c.example,Geheim", '"@"'),
                (b'a,b.example,"Geheim\nx"', "SASLprep"), (b"a,b.example,Geheim\0", "NUL"),
                (b"," * 300, "fields"), (b"x" * 9000, "too long"),
            )
        ])
        # The line behind a bad one is read as if nothing had been.
        counts, said = self.load("csv", head + b'a,r,"x"y\nb,r.example,ok\n', status=1)
        self.assertEqual((counts["imported"], counts["skipped"]), (1, 1))

    def test_csv_without_a_header(self):
        for text in (b"", b"alice,secret\n", b"user,passwort\n", b"realm,password\n", b'"user\n',
                     b"user\tpassword\n"):
            _, said = self.load("csv", text, status=1)
            self.assertEqual(len(said), 1, said)
            self.assertIn("input: ", said[0])
            self.assertNotIn("secret", said[0])

    def test_tsv(self):
        counts, _ = self.load("tsv", "users.tsv")
        self.assertEqual(counts["imported"], 2)
        self.assert_verifies(self.store, "alice@example.org", b'pa,ss $w#rd: "quoted"')
        self.assert_verifies(self.store, "bob@other.example", b"{PLAIN}not a scheme")

    def test_an_unknown_format(self):
        result = self.store.tool("import", "--format", "xml", "-")
        self.assert_one_line(result, 2, "xml")


if __name__ == "__main__":
    toolkit.main()
