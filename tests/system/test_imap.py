# SPDX-License-Identifier: BSD-2-Clause
"""A real Cyrus IMAP on our store: AUTHENTICATE with every mechanism, in clear and inside TLS, and the
LOGIN command, which does not go through a mechanism but through sasl_checkpass()."""

import contextlib
import imaplib
import os
import re
import socket
import ssl
import unittest

import exchanges
import harness
import imapd
import store

REALM = imapd.HOSTNAME
USER, PASSWORD = "alice", 'Tr0ub4dor&3 "q" \\n'
ADMIN, ADMIN_PASSWORD = "admin", "an administrator's"
# imapd takes no name outside ASCII.
USERS = [(USER, REALM, PASSWORD), (ADMIN, REALM, ADMIN_PASSWORD),
         ("juergen", REALM, "gr\u00fc\u00df Gott")]
STRICT = ("strict", "no verifiers as good as a password")
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)
SECONDS = 30


class ImapTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, "cyrus", USERS)
        cls.server = cls.enterClassContext(imapd.Imapd(
            cls.work, cls.store.options(mech_list=" ".join(MECHANISMS)),
            store.PLUGINS, services=("imap", "fresh", "imaps"), options={"admins": ADMIN}))

    @classmethod
    def tearDownClass(cls):
        cls.server.check_log(USERS)

    @contextlib.contextmanager
    def connect(self, tls=False, service="imap"):
        client = imaplib.IMAP4("127.0.0.1", self.server.ports[service], timeout=SECONDS)
        # imaplib sends a line in two pieces, and the second one would wait.
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls:
                client.starttls(ssl.create_default_context(cafile=self.server.certificate))
            yield client
        finally:
            client.shutdown()

    def authenticate(self, mechanism, user, password, tls=False, service="imap"):
        """None, or the text of the server's refusal."""
        with self.connect(tls, service) as client:
            try:
                client.authenticate(
                    mechanism, exchanges.responder(mechanism, user, password, "imap"))
            except imaplib.IMAP4.error as error:
                # Refused, and still there.
                self.assertEqual(client.noop()[0], "OK")
                return str(error)
            self.assertEqual(client.noop()[0], "OK")
            return None

    def login(self, user, password, service="imap"):
        with self.connect(service=service) as client:
            try:
                client.login(user, password)
            except imaplib.IMAP4.error as error:
                self.assertEqual(client.noop()[0], "OK")
                return str(error)
            return None

    def test_each_mechanism_is_offered_once(self):
        for tls in (False, True):
            with self.subTest(tls=tls), self.connect(tls) as client:
                words = client.capability()[1][0].decode().split()
                offered = [word[5:] for word in words if word.startswith("AUTH=")
                           and not word.endswith("-PLUS")]
                self.assertEqual(sorted(offered), sorted(MECHANISMS))

    def test_authenticate(self):
        for mechanism in MECHANISMS:
            for tls in (False, True):
                for user, realm, password in USERS:
                    with self.subTest(f"{mechanism} {user} tls={tls}"):
                        since = self.server.log.mark()
                        self.assertIsNone(self.authenticate(mechanism, user, password, tls))
                        line = self.server.log.wait_for(r"^\[\d+\] login: ", since)
                        self.assertIn(f" {user} {mechanism}", line)

    def test_refused_alike(self):
        for mechanism in MECHANISMS:
            for tls in (False, True):
                with self.subTest(f"{mechanism} tls={tls}"):
                    since = self.server.log.mark()
                    replies = {self.authenticate(mechanism, *credentials, tls) for credentials in (
                        (USER, PASSWORD + "x"), (USER, "x"), ("nosuchuser", PASSWORD))}
                    self.assertEqual(len(replies), 1, replies)
                    self.assertRegex(min(replies), "authentication failure")
                    for reason in ("password", "unknown"):
                        self.server.log.wait_for(
                            f"sasl-lmdb: mech={mechanism} reason={reason} user=", since)

    def test_without_legacy_verifiers(self):
        """`set --drop legacy` ends two mechanisms and the LOGIN command, not the mechanism LOGIN."""
        user, password = STRICT
        self.store.add(user, REALM, password)
        self.assertIsNone(self.login(user, password))
        store.must(self.store.tool("set", "--drop", "cram-md5,digest-md5", f"{user}@{REALM}"))
        self.assertIsNone(self.login(user, password))
        store.must(self.store.tool("set", "--drop", "legacy", f"{user}@{REALM}"))
        self.assertIsNotNone(self.login(user, password))
        refused = {mechanism for mechanism in MECHANISMS
                   if self.authenticate(mechanism, user, password) is not None}
        self.assertEqual(refused, {"CRAM-MD5", "DIGEST-MD5"})

    def test_imtest_with_our_client_halves(self):
        for mechanism in MECHANISMS:
            for options in ((), ("-t", "")):
                with self.subTest(f"{mechanism} {options}"):
                    _, output = imapd.imtest(
                        self.server.port, mechanism, USER, PASSWORD, store.PLUGINS,
                        ["a1 NOOP", "a2 LOGOUT"], *options)
                    self.assertIn("Authenticated.", output)
                    self.assertIn("a1 OK", output)
            with self.subTest(f"{mechanism}, wrong password"):
                _, output = imapd.imtest(
                    self.server.port, mechanism, USER, "wrong", store.PLUGINS, ["a2 LOGOUT"])
                self.assertIn("Authentication failed.", output)

    def test_imaps(self):
        context = ssl.create_default_context(cafile=self.server.certificate)
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                client = imaplib.IMAP4_SSL("127.0.0.1", self.server.ports["imaps"],
                                           ssl_context=context, timeout=SECONDS)
                with client:
                    client.authenticate(
                        mechanism, exchanges.responder(mechanism, USER, PASSWORD, "imap"))

    def test_login_command(self):
        self.assertIsNone(self.login(USER, PASSWORD))
        since = self.server.log.mark()
        replies = {self.login(*credentials) for credentials in (
            (USER, PASSWORD + "x"), (USER, "x"), (USER, ""), (USER, PASSWORD[:-1]),
            ("nosuchuser", PASSWORD), ("nosuchuser", "x"))}
        self.assertEqual(len(replies), 1, replies)
        self.assertIn("authentication failure", min(replies))
        self.server.log.wait_for("badlogin: .*nosuchuser", since)

    def test_cram_md5_of_imaplib_itself(self):
        with self.connect() as client:
            self.assertEqual(client.login_cram_md5(USER, PASSWORD)[0], "OK")

    def test_an_administrator_acts_for_another(self):
        """PLAIN with an authorisation identity, which is imapd's to judge."""
        def attempt(authzid, user, password):
            with self.connect() as client:
                message = "\0".join((authzid, user, password)).encode()
                return client.authenticate("PLAIN", lambda challenge: message)[0]

        self.assertEqual(attempt(USER, ADMIN, ADMIN_PASSWORD), "OK")
        self.assertEqual(attempt(USER, USER, PASSWORD), "OK")
        for refused in ((ADMIN, USER, PASSWORD), (USER, ADMIN, "wrong"),
                        ("nosuchuser", USER, PASSWORD)):
            with self.subTest(refused), self.assertRaises(imaplib.IMAP4.error):
                attempt(*refused)

    def test_messages_that_are_none(self):
        """imapd goes on serving after each."""
        for mechanism in MECHANISMS:
            for message in (b"", b"\0", b"\0\0", b"x" * 4000, bytes(range(256)), b"n,,", b"\xff" * 9):
                with self.subTest(f"{mechanism} {message[:9]}"), self.connect() as client:
                    with self.assertRaises(imaplib.IMAP4.error):
                        client.authenticate(mechanism, lambda challenge: message)
                    self.assertEqual(client.noop()[0], "OK")

    def test_a_client_that_gives_up(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism), self.connect() as client:
                with self.assertRaises(imaplib.IMAP4.error):
                    client.authenticate(mechanism, lambda challenge: None)
                client.authenticate(
                    mechanism, exchanges.responder(mechanism, USER, PASSWORD, "imap"))

    def test_many_in_one_process(self):
        """imapd serves one connection after another, and each makes and frees an exchange."""
        for count in range(2 * len(MECHANISMS)):
            mechanism = MECHANISMS[count % len(MECHANISMS)]
            self.assertIsNone(self.authenticate(mechanism, USER, PASSWORD))
            self.assertIsNotNone(self.authenticate(mechanism, USER, "wrong"))

    def test_changes_are_seen_at_once(self):
        with self.connect() as client:
            self.store.add("carol", REALM, "first")
            client.login("carol", "first")
        for password, wrong in (("second", "first"), ("third", "second")):
            self.store.add("carol", REALM, password)
            for mechanism in MECHANISMS:
                with self.subTest(mechanism):
                    self.assertIsNone(self.authenticate(mechanism, "carol", password))
                    self.assertIsNotNone(self.authenticate(mechanism, "carol", wrong))
        store.must(self.store.tool("disable", f"carol@{REALM}"))
        refused = self.authenticate("PLAIN", "carol", "third")
        self.assertEqual(refused, self.authenticate("PLAIN", "nosuchuser", "third"))
        self.store.delete("carol", REALM)

    def test_store_outage(self):
        """The same answer for everybody, which is not "wrong password", and a reason in the log."""
        for path, mechanisms in ((self.store.path, MECHANISMS), (self.store.key, ("PLAIN",))):
            aside = path + ".aside"
            os.rename(path, aside)
            try:
                for mechanism in mechanisms:
                    with self.subTest(f"{path} {mechanism}"):
                        since = self.server.log.mark()
                        replies = {self.authenticate(mechanism, *credentials, service="fresh")
                                   for credentials in ((USER, PASSWORD), ("nosuchuser", "x"))}
                        self.assertEqual(len(replies), 1, replies)
                        self.assertNotRegex(str(min(replies)), "None|authentication failure")
                        self.server.log.wait_for(
                            f"sasl-lmdb: mech={mechanism} reason=store ", since)
                        self.server.log.wait_for(
                            f"sasl-lmdb: .*{re.escape(path)}.*No such file", since)
                replies = {self.login(user, PASSWORD, "fresh") for user in (USER, "nosuchuser")}
                self.assertEqual(len(replies), 1, replies)
                self.assertNotIn(None, replies)
            finally:
                os.rename(aside, path)
            self.assertIsNone(self.authenticate("SCRAM-SHA-256", USER, PASSWORD, service="fresh"))
            self.assertIsNone(self.login(USER, PASSWORD, "fresh"))


if __name__ == "__main__":
    imapd.require()
    harness.run_tests()
