# SPDX-License-Identifier: BSD-2-Clause
"""list, show, verify, enable and disable on accounts that are there."""

import hashlib
import json
import re
import socket

import toolkit

UMLAUT = "Jürgen@example.org"


class Accounts(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        for name in ("carol@b.example", "alice@example.org", "bob@b.example", UMLAUT):
            self.set_password(self.store, name, b"secret of " + name.encode())

    def test_list_plain_is_sorted_by_realm_and_user(self):
        self.assertEqual(
            self.store.names(),
            [
                "bob@b.example: userPassword",
                "carol@b.example: userPassword",
                f"{UMLAUT}: userPassword",
                "alice@example.org: userPassword",
            ],
        )

    def test_list_of_a_realm(self):
        for realm in ("b.example", "B.Example"):
            result = self.store.tool("list", "--plain", "--realm", realm)
            self.assertEqual(result.status, 0, result)
            self.assertEqual(
                result.out, b"bob@b.example: userPassword\ncarol@b.example: userPassword\n"
            )

    def test_table(self):
        result = self.store.tool("list")
        self.assertEqual((result.status, result.err), (0, b""))
        lines = result.out.decode().splitlines()
        self.assertEqual(
            lines[0].split(), ["USER", "CLASS", "VERIFIERS", "ITERATIONS", "FLAGS", "CHANGED"]
        )
        self.assertEqual(len(lines), 5)
        column = lines[0].index("CLASS")
        for line in lines[1:]:
            self.assertEqual(line[column : column + 6], "legacy")
            self.assertRegex(line, r" 4096  -  .* \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_an_empty_store(self):
        store = self.new_store(name="empty.mdb", key="empty.key")
        for option, out in (("--plain", b""), ("--json", b"[]\n")):
            result = store.tool("list", option)
            self.assertEqual((result.status, result.out, result.err), (0, out, b""))

    def test_json(self):
        account = self.store.accounts()[UMLAUT]
        self.assertEqual(account["class"], "legacy")
        self.assertEqual(account["iterations"]["SCRAM-SHA-256"], 4096)
        self.assertIs(account["disabled"], False)
        self.assertIs(account["expired"], False)
        self.assertIsNone(account["expires"])
        self.assertTrue(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", account["created"]))
        shown = self.store.tool("show", "--json", UMLAUT)
        self.assertEqual(json.loads(shown.out), account)

    def test_show(self):
        result = self.store.tool("show", UMLAUT)
        self.assertEqual((result.status, result.err), (0, b""))
        for text in ("SCRAM-SHA-512, 4096 iterations, 16 bytes", "CRAM-MD5", "ISO-8859-1", "never"):
            self.assertIn(text, result.out.decode())

    def test_nothing_printed_looks_like_a_verifier(self):
        for arguments in (["list"], ["list", "--json"], ["show", UMLAUT], ["show", "--json", UMLAUT]):
            out = self.store.tool(*arguments).out.decode()
            self.assertIsNone(re.search(r"[0-9a-f]{32}|[A-Za-z0-9+/]{20,}=", out), out)

    def test_verify(self):
        for name in (UMLAUT, "alice@example.org", "alice@EXAMPLE.org"):
            password = b"secret of " + (UMLAUT if name == UMLAUT else "alice@example.org").encode()
            result = self.store.tool("verify", name, stdin=password + b"\n")
            self.assertEqual((result.status, result.err), (0, b""), result)
            self.assertTrue(result.out.endswith(b": yes\n"), result)

    def test_verify_without_a_newline(self):
        self.assert_verifies(self.store, "bob@b.example", b"secret of bob@b.example")
        result = self.store.tool("verify", "bob@b.example", stdin=b"secret of bob@b.example")
        self.assertEqual(result.status, 0, result)

    def test_verify_says_no(self):
        right = b"secret of bob@b.example"
        for wrong in (b"x", b"", right + b" ", right[:-1], right.upper(), b"\xff\xfe", b"a\0b",
                      right + b"\0", b"p" * 1024, b"\x07"):
            result = self.store.tool("verify", "bob@b.example", stdin=wrong + b"\n")
            self.assertEqual((result.status, result.err), (1, b""), (wrong, result))
            self.assertEqual(result.out, b"bob@b.example: no: wrong password\n")

    def test_verify_refuses_what_is_no_password(self):
        for stdin in (b"p" * 1025 + b"\n", b"eins\nzwei\n"):
            result = self.store.tool("verify", "bob@b.example", stdin=stdin)
            self.assert_one_line(result, 1, "verify", never=[b"pppp", b"eins", b"zwei"])

    def test_verify_by_option_and_json(self):
        result = self.store.tool("verify", "-u", "b.example", "--json", "bob", stdin=b"no\n")
        self.assertEqual(result.status, 1, result)
        self.assertEqual(
            json.loads(result.out),
            {"verb": "verify", "ok": False, "user": "bob", "realm": "b.example",
             "verified": False, "reason": "wrong password"},
        )
        result = self.store.tool(
            "verify", "--json", "-u", "b.example", "bob", stdin=b"secret of bob@b.example"
        )
        self.assertEqual(result.status, 0, result)
        self.assertIs(json.loads(result.out)["verified"], True)

    def test_the_host_is_the_default_realm(self):
        self.set_password(self.store, "dave", b"pw of dave")
        name = f"dave@{socket.gethostname().lower()}"
        self.assertIn(name, self.store.accounts())
        self.assert_verifies(self.store, "dave", b"pw of dave")
        self.assert_verifies(self.store, "dave@", b"pw of dave")
        self.assert_verifies(self.store, name, b"pw of dave")

    def test_disable_and_enable(self):
        before = self.store.accounts()["bob@b.example"]
        result = self.store.tool("disable", "bob@b.example")
        self.assertEqual((result.status, result.out), (0, b"bob@b.example: disabled\n"))
        account = self.store.accounts()["bob@b.example"]
        self.assertEqual(account, dict(before, disabled=True))
        self.assertIn(b" disabled ", self.store.tool("list", "--realm", "b.example").out)

        result = self.store.tool("verify", "bob@b.example", stdin=b"secret of bob@b.example\n")
        self.assertEqual(result.status, 1, result)
        self.assertIn(b"the password is right", result.out)
        self.assertIn(b"disabled", result.out)
        result = self.store.tool("verify", "bob@b.example", stdin=b"wrong\n")
        self.assertEqual(result.out, b"bob@b.example: no: wrong password\n")

        again = self.store.tool("disable", "-u", "b.example", "bob")
        self.assertEqual((again.status, again.out), (0, b"bob@b.example: was already disabled\n"))
        self.assertEqual(self.store.tool("enable", "bob@b.example").status, 0)
        self.assertEqual(self.store.accounts()["bob@b.example"], before)
        self.assert_verifies(self.store, "bob@b.example", b"secret of bob@b.example")

    def test_a_new_password_leaves_an_account_disabled(self):
        self.store.tool("disable", "bob@b.example")
        self.set_password(self.store, "bob@b.example", b"new")
        self.assertIs(self.store.accounts()["bob@b.example"]["disabled"], True)

    def test_verify_without_scram(self):
        """What such an account lets in by, and nothing of a verifier that is not there."""
        name = "Grüße@example.org"
        password = "gehe\u00efm".encode()
        for kinds, only in (
            ("cram-md5", ["CRAM-MD5"]),
            ("digest-md5", ["DIGEST-MD5"]),
            ("checkpass", ["sasl_checkpass"]),
            ("cram-md5,digest-md5,checkpass", ["CRAM-MD5", "DIGEST-MD5", "sasl_checkpass"]),
        ):
            with self.subTest(kinds):
                store = self.new_store("--verifiers", kinds, "--digest-realm", "x.example",
                                       name=f"{kinds}.mdb", key=f"{kinds}.key")
                self.set_password(store, name, password)
                result = store.tool("verify", name, stdin=password + b"\n")
                self.assertEqual((result.status, result.err), (0, b""), result)
                self.assertEqual(result.out.decode(), f"{name}: yes, by {', '.join(only)} only; a "
                                 "new password (saslpasswd-lmdb) lets in by the others\n")
                result = store.tool("verify", "--json", name, stdin=password + b"\n")
                self.assertEqual(json.loads(result.out)["only"], only)
                for wrong in (b"x", b"", b"\xff", b"a\0b", b"p" * 1024):
                    result = store.tool("verify", name, stdin=wrong + b"\n")
                    self.assertEqual((result.status, result.out.decode()),
                                     (1, f"{name}: no: wrong password\n"), (wrong, result))
                self.assertEqual(store.tool("disable", name).status, 0)
                result = store.tool("verify", name, stdin=password + b"\n")
                self.assertEqual(result.status, 1)
                self.assertIn(b"the password is right", result.out)

    def test_verify_what_was_imported(self):
        """One secret as another server keeps it."""
        ha1 = hashlib.md5(b"a:r.example:secret").hexdigest()
        crypt = toolkit.run(["openssl", "passwd", "-6", "-stdin"], b"secret").out.decode().strip()
        store = self.new_store(name="i.mdb", key="i.key")
        text = f"a@r.example:{{DIGEST-MD5}}{ha1}\nb@r.example:{{CRYPT}}{crypt}\n"
        result = store.tool("import", "--format", "dovecot", "-", stdin=text.encode())
        self.assertEqual(result.status, 0, result)
        for name, only in (("a@r.example", "DIGEST-MD5"), ("b@r.example", "PLAIN, LOGIN")):
            result = store.tool("verify", name, stdin=b"secret\n")
            self.assertEqual(result.status, 0, result)
            self.assertIn(f"yes, by {only} only".encode(), result.out)
            result = store.tool("verify", name, stdin=b"Secret\n")
            self.assertEqual((result.status, result.out.decode()),
                             (1, f"{name}: no: wrong password\n"), result)


if __name__ == "__main__":
    toolkit.main()
