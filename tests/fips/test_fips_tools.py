# SPDX-License-Identifier: BSD-2-Clause
"""The tools where OpenSSL refuses MD5: passwords are set and imported all the same, kept for SCRAM
only, and one line says what is missing. SASL_LMDB_NO_MD5 names the OpenSSL configuration."""

import os

import toolkit

NO_MD5 = os.environ["SASL_LMDB_NO_MD5"]
SCRAM = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
ALL = SCRAM + ["CRAM-MD5", "DIGEST-MD5", "checkpass"]
LINE = b"OpenSSL refuses MD5 (FIPS mode?): new passwords are kept without "


class Fips(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        # The store was made where MD5 is there, so its policy asks for all kinds.
        self.store = self.new_store()
        self.set_password(self.store, "old@example.org", b"secret")
        before = os.environ.get("OPENSSL_CONF")
        os.environ["OPENSSL_CONF"] = NO_MD5
        self.addCleanup(self.restore, before)

    @staticmethod
    def restore(before):
        if before is None:
            del os.environ["OPENSSL_CONF"]
        else:
            os.environ["OPENSSL_CONF"] = before

    def verifiers(self, name):
        return self.store.accounts()[name]["verifiers"]

    def test_a_password_is_set(self):
        result = self.store.passwd("-p", "-c", "new@example.org", stdin=b"secret\n")
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.err.count(LINE), 1, result)
        self.assertEqual(result.err.count(b"\n"), 1, result)
        for kind in ("CRAM-MD5", "DIGEST-MD5"):
            self.assertIn(kind.encode(), result.err)
        self.assertEqual(self.verifiers("new@example.org"), SCRAM)
        self.assert_verifies(self.store, "new@example.org", b"secret")
        self.assert_verifies(self.store, "new@example.org", b"other", False)

    def test_an_import(self):
        lines = b"".join(b"u%d\texample.org\tpw%d\n" % (i, i) for i in range(20))
        result = self.store.tool("import", "--format", "tsv", "-", stdin=lines)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(result.err.count(LINE), 1, result)
        self.assertEqual(len(self.store.accounts()), 21)
        self.assertEqual(self.verifiers("u7@example.org"), SCRAM)
        self.assert_verifies(self.store, "u7@example.org", b"pw7")

    def test_what_was_there_before_stays(self):
        self.assertEqual(self.verifiers("old@example.org"), ALL)
        self.assert_verifies(self.store, "old@example.org", b"secret")
        for verb in ("check", "list"):
            result = self.store.tool(verb)
            self.assertEqual((result.status, result.err), (0, b""), result)

    def test_nothing_but_md5_is_refused(self):
        store = self.new_store("--verifiers", "CRAM-MD5", name="md5.mdb", key="md5.key")
        result = store.passwd("-p", "-c", "new@example.org", stdin=b"secret\n")
        self.assertNotEqual(result.status, 0, result)
        self.assertEqual(store.accounts(), {})


class Otherwise(toolkit.ToolTest):
    def test_nothing_is_said(self):
        store = self.new_store()
        result = store.passwd("-p", "-c", "new@example.org", stdin=b"secret\n")
        self.assertEqual((result.status, result.err), (0, b""), result)
        self.assertEqual(store.accounts()["new@example.org"]["verifiers"], ALL)


if __name__ == "__main__":
    toolkit.main()
