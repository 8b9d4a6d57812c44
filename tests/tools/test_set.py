# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb set: dropping verifiers and expiry."""

import json

import toolkit

ALL = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "CRAM-MD5", "DIGEST-MD5", "checkpass"]


class Set(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        for name in ("alice@a.example", "bob@a.example", "carol@b.example"):
            self.set_password(self.store, name, b"secret")

    def set(self, *arguments, status=0):
        """Runs set --json; the counts as a tuple, and the result."""
        result = self.store.tool("set", "--json", *arguments)
        self.assertEqual(result.status, status, result)
        result.err = toolkit.as_lines(result.err)
        counts = json.loads(result.out) if result.out else {}
        return tuple(counts.get(key) for key in ("changed", "unchanged", "refused")), result

    def verifiers(self, name):
        """What an account holds."""
        return self.store.accounts()[name]["verifiers"]

    def test_drop_for_one(self):
        before = self.store.accounts()
        self.assertEqual(self.set("--drop", "cram-md5,CHECKPASS", "alice@a.example")[0], (1, 0, 0))
        self.assertEqual(self.verifiers("alice@a.example"),
                         [kind for kind in ALL if kind not in ("CRAM-MD5", "checkpass")])
        self.assertEqual(self.set("--drop", "cram-md5", "-u", "a.example", "alice")[0], (0, 1, 0))
        after = self.store.accounts()
        for name in ("bob@a.example", "carol@b.example"):
            self.assertEqual(after[name], before[name])
        # Nothing but the verifiers has changed, and the password is still good.
        for key in ("created", "changed", "expires", "disabled"):
            self.assertEqual(after["alice@a.example"][key], before["alice@a.example"][key])
        self.assert_verifies(self.store, "alice@a.example", b"secret")

    def test_drop_for_a_realm(self):
        self.assertEqual(self.set("--drop", "legacy", "--realm", "A.example")[0], (2, 0, 0))
        for name in ("alice@a.example", "bob@a.example"):
            self.assertEqual(self.verifiers(name), ALL[:3])
            self.assertEqual(self.store.accounts()[name]["class"], "strict")
        self.assertEqual(self.verifiers("carol@b.example"), ALL)
        result = self.store.tool("set", "--drop", "legacy", "--realm", "a.example")
        self.assertEqual((result.status, result.out), (0, b"0 changed, 2 as wanted already\n"))

    def test_the_last_verifier_stays(self):
        self.set("--drop", "legacy,scram-sha-1", "alice@a.example")
        counts, result = self.set("--drop", "scram-sha-256,scram-sha-512,crypt", "alice@a.example",
                                  status=1)
        self.assertEqual(counts, (0, 0, 1))
        self.assert_one_line(result, 1, "alice@a.example", "no verifier")
        counts, result = self.set("--drop", "scram-sha-256,scram-sha-512", "--realm", "a.example",
                                  status=1)
        self.assertEqual(counts, (1, 0, 1))
        self.assert_verifies(self.store, "alice@a.example", b"secret")

    def test_expiry(self):
        def expires(name="alice@a.example"):
            return self.store.accounts()[name]["expires"]

        self.set("--expires", "2999-02-28", "alice@a.example")
        self.assertEqual(expires(), "2999-02-28T00:00:00Z")
        self.assert_verifies(self.store, "alice@a.example", b"secret")
        self.assertEqual(self.set("--expires", "2999-02-28T00:00:00Z", "alice@a.example")[0],
                         (0, 1, 0))
        self.set("--expires", "2001-09-09T01:46:40Z", "--realm", "a.example")
        self.assertEqual(expires("bob@a.example"), "2001-09-09T01:46:40Z")
        for name in ("alice@a.example", "bob@a.example"):
            self.assert_verifies(self.store, name, b"secret", expected=False)
            self.assertIs(self.store.accounts()[name]["expired"], True)
        self.assertIsNone(expires("carol@b.example"))
        # A new password does not let an expired account in.
        self.set_password(self.store, "alice@a.example", b"new")
        self.assert_verifies(self.store, "alice@a.example", b"new", expected=False)
        self.set("--expires", "never", "alice@a.example")
        self.assertIsNone(expires())
        self.assert_verifies(self.store, "alice@a.example", b"new")

    def test_both_at_once(self):
        self.set("--expires", "2999-01-01", "--drop", "legacy", "alice@a.example")
        account = self.store.accounts()["alice@a.example"]
        self.assertEqual((account["expires"], account["class"]), ("2999-01-01T00:00:00Z", "strict"))

    def test_refused(self):
        before = self.store.digests()
        for arguments in (["nobody@a.example"], ["--realm", "no.example"], ["--realm", "a b"],
                          ["a@b@c"]):
            result = self.store.tool("set", "--drop", "legacy", *arguments)
            self.assert_one_line(result, 1)
        for arguments, word in (
            ([], "nothing to set"), (["alice@a.example"], "nothing to set"), (["--drop", "legacy"], "USER"),
            (["--drop", "legacy", "a", "b"], "USER"),
            (["--drop", "legacy", "--realm", "a.example", "alice"], "USER"),
            (["--drop", "", "alice"], "verifier"), (["--drop", "plain", "alice"], "plain"),
            (["--drop", "default", "alice"], "default"), (["--drop", "legacy,", "alice"], "verifier"),
            *((["--expires", when, "alice"], "--expires") for when in (
                "", "soon", "2026-13-01", "2026-02-29", "2026-00-10", "1969-12-31", "1970-01-01",
                "2026-1-1", "2026-01-01 00:00:00", "2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z",
                "2026-01-01T00:00:00", "2026-01-01T00:00:00+01:00", "+026-01-01", "20260101")),
        ):
            self.assert_one_line(self.store.tool("set", *arguments), 2, word)
        self.assertEqual(self.store.digests(), before)


if __name__ == "__main__":
    toolkit.main()
