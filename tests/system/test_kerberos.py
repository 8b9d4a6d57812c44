# SPDX-License-Identifier: BSD-2-Clause
"""Logins by a real Kerberos ticket beside logins on our store, in one Cyrus IMAP: the distribution's
GSSAPI and GS2 plugins and ours in one directory."""

import imaplib
import unittest

import exchanges
import harness
import imapd
import kerberos
import pluginset

REALM = imapd.HOSTNAME
HOST = "127.0.0.1"
# alice has an account on both sides, bob one in our store and kay one in the KDC.
USER, PASSWORD = "alice", "correct horse"
USERS = [(USER, REALM, PASSWORD), ("bob", REALM, "password of bob")]
KERBEROS_USERS = {USER: "of the ticket", "kay": "password of kay"}
OURS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)
BY_TICKET = ("GSSAPI", "GSS-SPNEGO", "GS2-KRB5")
SECONDS = 30


class KerberosTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, "cyrus", USERS)
        cls.kdc = cls.enterClassContext(kerberos.Kdc(cls.work))
        for user, password in KERBEROS_USERS.items():
            cls.kdc.add(user, password)
        options = cls.store.options()
        # Offered is whatever there is.
        del options["mech_list"]
        cls.plugins = pluginset.installed_over(cls.work)
        cls.server = cls.enterClassContext(imapd.Imapd(
            cls.work, options, cls.plugins, env=cls.kdc.serve(f"imap/{HOST}", "cyrus")))

    @classmethod
    def tearDownClass(cls):
        cls.server.check_log(USERS)

    def by_ticket(self, mechanism, user, ticket):
        """What imtest printed."""
        return imapd.imtest(self.server.port, mechanism, user, "", self.plugins,
                            ["a1 NOOP", "a2 LOGOUT"], env=ticket)[1]

    def assert_by_ticket(self, mechanism, user):
        since = self.server.log.mark()
        output = self.by_ticket(mechanism, user, self.kdc.kinit(user, KERBEROS_USERS[user]))
        self.assertIn("Authenticated.", output)
        self.assertIn("a1 OK", output)
        line = self.server.log.wait_for(r"^\[\d+\] login: ", since)
        self.assertIn(f" {user} {mechanism}", line)

    def by_store(self, mechanism, user, password):
        with imaplib.IMAP4(HOST, self.server.port, timeout=SECONDS) as client:
            try:
                client.authenticate(
                    mechanism, exchanges.responder(mechanism, user, password, "imap"))
                return True
            except imaplib.IMAP4.error:
                return False

    def test_by_ticket(self):
        for mechanism in BY_TICKET:
            for user in KERBEROS_USERS:
                with self.subTest(f"{mechanism} {user}"):
                    self.assert_by_ticket(mechanism, user)

    def test_by_ticket_and_by_store_in_turns(self):
        for mechanism in OURS:
            with self.subTest(mechanism):
                self.assertTrue(self.by_store(mechanism, USER, PASSWORD))
                self.assert_by_ticket("GSSAPI", USER)
                self.assertFalse(self.by_store(mechanism, USER, KERBEROS_USERS[USER]))
                self.assertTrue(self.by_store(mechanism, "bob", "password of bob"))

    def test_one_side_does_not_know_the_other(self):
        for mechanism in OURS:
            with self.subTest(mechanism):
                self.assertFalse(self.by_store(mechanism, "kay", KERBEROS_USERS["kay"]))
        with self.assertRaises(AssertionError):
            self.kdc.kinit("bob", "password of bob")

    def test_no_ticket(self):
        nobody = {**self.kdc.client_environment(), "KRB5CCNAME": self.work.join("none")}
        for mechanism in BY_TICKET:
            with self.subTest(mechanism):
                self.assertNotIn("Authenticated.", self.by_ticket(mechanism, USER, nobody))

    def test_a_ticket_for_one_is_none_for_another(self):
        """The other mechanisms' client halves do not say whom one would like to be."""
        ticket = self.kdc.kinit("kay", KERBEROS_USERS["kay"])
        self.assertNotIn("Authenticated.", self.by_ticket("GSSAPI", USER, ticket))


if __name__ == "__main__":
    imapd.require()
    kerberos.require()
    pluginset.require("libgssapiv2.so", "libgs2.so")
    harness.run_tests()
