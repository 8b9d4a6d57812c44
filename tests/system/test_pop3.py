# SPDX-License-Identifier: BSD-2-Clause
"""A real Cyrus POP3 on our store: USER and PASS, which go through sasl_checkpass(), and AUTH with every
mechanism."""

import base64
import poplib
import unittest

import exchanges
import harness
import imapd
import store
from smtp_talk import b64

REALM = imapd.HOSTNAME
USER, PASSWORD = "alice", 'Tr0ub4dor&3 "q" \\n'
USERS = [(USER, REALM, PASSWORD)]
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)
SECONDS = 30


class Pop3Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, "cyrus", USERS)
        cls.server = cls.enterClassContext(imapd.Imapd(
            # pop3d leaves logging to libsasl2, which passes on errors alone unless told otherwise.
            cls.work, cls.store.options(mech_list=" ".join(MECHANISMS), log_level="2"),
            store.PLUGINS, services=("pop3",), options={"autocreate_quota": "0"}))

    @classmethod
    def tearDownClass(cls):
        cls.server.check_log(USERS)

    def connect(self):
        return poplib.POP3("127.0.0.1", self.server.port, timeout=SECONDS)

    def user_pass(self, user, password):
        """The server's answer to PASS."""
        client = self.connect()
        try:
            client.user(user)
            return client.pass_(password)
        except poplib.error_proto as error:
            self.assertRaises(poplib.error_proto, client.stat)
            return error.args[0]
        finally:
            client.close()

    def auth(self, mechanism, user, password):
        """RFC 5034. The server's last answer."""
        respond = exchanges.responder(mechanism, user, password, "pop")
        client = self.connect()
        try:
            client._putcmd(f"AUTH {mechanism}")
            while True:
                line = client._getline()[0]
                if not line.startswith(b"+ "):
                    return line
                client._putline(b64(respond(base64.b64decode(line[2:]))).encode())
        finally:
            client.close()

    def test_user_and_pass(self):
        self.assertTrue(self.user_pass(USER, PASSWORD).startswith(b"+OK"))

    def test_user_and_pass_refused_alike(self):
        replies = {self.user_pass(*credentials) for credentials in (
            (USER, PASSWORD + "x"), (USER, "x"), ("nosuchuser", PASSWORD), ("nosuchuser", "x"))}
        self.assertEqual(len(replies), 1, replies)
        self.assertTrue(min(replies).startswith(b"-ERR"), replies)

    def test_auth(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.assertTrue(self.auth(mechanism, USER, PASSWORD).startswith(b"+OK"))

    def test_auth_refused_alike(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                since = self.server.log.mark()
                replies = {self.auth(mechanism, *credentials) for credentials in (
                    (USER, PASSWORD + "x"), ("nosuchuser", PASSWORD))}
                self.assertEqual(len(replies), 1, replies)
                self.assertTrue(min(replies).startswith(b"-ERR"), replies)
                for reason in ("password", "unknown"):
                    self.server.log.wait_for(
                        f"sasl-lmdb: mech={mechanism} reason={reason} user=", since)

    def test_apop_is_not_there(self):
        """It would need the password itself."""
        client = self.connect()
        self.assertRaises(poplib.error_proto, client.apop, USER, PASSWORD)
        client.close()


if __name__ == "__main__":
    imapd.require("pop3d")
    harness.run_tests()
