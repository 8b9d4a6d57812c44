# SPDX-License-Identifier: BSD-2-Clause
"""The distribution's other plugins (GSSAPI, GS2, NTLM, ANONYMOUS) beside ours, as after an installation
over the stock files: each mechanism is there once, in the order of the stock set, and logins work."""

import imaplib
import unittest

import exchanges
import harness
import imapd
import pluginset

REALM = imapd.HOSTNAME
USER, PASSWORD = "alice", "correct horse"
USERS = [(USER, REALM, PASSWORD)]
SECONDS = 30
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)

# The distribution's file and the mechanism it has to bring.
OTHERS = {
    "libgssapiv2.so": "GSSAPI",
    "libgs2.so": "GS2-KRB5",
    "libntlm.so": "NTLM",
    "libanonymous.so": "ANONYMOUS",
}


def without_stock_only(mechanisms):
    return [name for name in mechanisms if name not in pluginset.STOCK_ONLY]


class CoexistenceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, "cyrus", USERS)
        cls.stock = pluginset.stock(cls.work)
        cls.layouts = {"installed over": pluginset.installed_over(cls.work),
                       "beside": pluginset.beside(cls.work)}

    def test_order_is_the_stock_order(self):
        stock = without_stock_only(pluginset.listed(self.stock))
        for name, plugins in self.layouts.items():
            with self.subTest(name):
                self.assertEqual(pluginset.listed(plugins), stock)

    def test_each_mechanism_once(self):
        for name, plugins in self.layouts.items():
            found = pluginset.listed(plugins)
            for mechanism in (*MECHANISMS, *OTHERS.values()):
                with self.subTest(f"{name} {mechanism}"):
                    self.assertEqual(found.count(mechanism), 1, found)

    def serve(self, name, plugins):
        """No mech_list: what is there is offered."""
        options = self.store.options()
        del options["mech_list"]
        return imapd.Imapd(
            self.work, options, plugins, name, options={"allowanonymouslogin": "yes"})

    @staticmethod
    def connect(server):
        return imaplib.IMAP4("127.0.0.1", server.port, timeout=SECONDS)

    def offered(self, server):
        """What clients are offered, in order."""
        with self.connect(server) as client:
            words = client.capability()[1][0].decode().split()
        return [word[5:] for word in words if word.startswith("AUTH=")]

    def test_logins_beside_them(self):
        with self.serve("imapd-stock", self.stock) as server:
            stock = without_stock_only(self.offered(server))
        self.assertLess(set(MECHANISMS), set(stock))
        for name, plugins in self.layouts.items():
            with self.serve("imapd-" + name.replace(" ", "-"), plugins) as server:
                with self.subTest(name):
                    self.assertEqual(self.offered(server), stock)
                self.check_others(server, plugins)
                self.check_logins(server)
                server.check_log(USERS)

    def check_others(self, server, plugins):
        """ANONYMOUS lets in whoever asks; NTLM finds no password that it could reckon with."""
        for mechanism, expected in (("ANONYMOUS", "Authenticated."),
                                    ("NTLM", "Authentication failed.")):
            with self.subTest(mechanism):
                _, output = imapd.imtest(
                    server.port, mechanism, USER, PASSWORD, plugins, ["a1 NOOP", "a2 LOGOUT"])
                self.assertIn(expected, output)
                self.assertIn("a1 OK", output)

    def check_logins(self, server):
        for mechanism in MECHANISMS:
            for password, expected in ((PASSWORD, "OK"), ("wrong", "NO")):
                with self.subTest(f"{mechanism} {password}"), self.connect(server) as client:
                    respond = exchanges.responder(mechanism, USER, password, "imap")
                    if expected == "OK":
                        client.authenticate(mechanism, respond)
                    else:
                        self.assertRaises(
                            imaplib.IMAP4.error, client.authenticate, mechanism, respond)


if __name__ == "__main__":
    imapd.require()
    pluginset.require(*OTHERS)
    harness.run_tests()
