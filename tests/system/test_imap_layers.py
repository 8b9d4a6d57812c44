# SPDX-License-Identifier: BSD-2-Clause
"""DIGEST-MD5's security layers inside a real Cyrus IMAP, which negotiates them when TLS is off.

imtest is the client, with the distribution's plugins and with ours.
"""

import unittest

import harness
import imapd
import store

REALM = "mail.lab.test"
USER, PASSWORD = "alice", 'Tr0ub4dor&3 "q"'

# imtest's own commands go through the layer: what comes back has been through it both ways.
DIALOGUE = ["a1 NOOP", "a2 CAPABILITY", "a3 ID NIL", "a4 NOOP", "a5 LOGOUT"]


class ImapLayersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, "cyrus", [(USER, REALM, PASSWORD)])
        cls.servers = {}
        for layers in ("none", "int", "conf"):
            options = cls.store.options(
                mech_list="PLAIN DIGEST-MD5 SCRAM-SHA-256", lmdb_digest_layers=layers)
            cls.servers[layers] = cls.enterClassContext(
                imapd.Imapd(cls.work, options, store.PLUGINS, f"imapd-{layers}"))

    def talk(self, layers, plugins, *options, password=PASSWORD, mechanism="DIGEST-MD5"):
        return imapd.imtest(
            self.servers[layers].port, mechanism, USER, password, plugins, DIALOGUE, *options)

    def assert_talked(self, output, strength):
        self.assertIn("Authenticated.", output)
        self.assertIn(f"Security strength factor: {strength}", output)
        for tag in ("a1", "a2", "a3", "a4", "a5"):
            self.assertIn(f"{tag} OK", output)

    def assert_layers(self, plugins):
        for layers, strength in (("none", 0), ("int", 1), ("conf", 128)):
            with self.subTest(layers=layers):
                _, output = self.talk(layers, plugins)
                self.assert_talked(output, strength)

    def test_layers_with_the_stock_client(self):
        plugins = harness.stock_plugins()
        if plugins is None:
            self.skipTest("libdigestmd5.so is missing: apt-get install libsasl2-modules")
        self.assert_layers(plugins)

    def test_layers_with_our_client(self):
        # imtest reads no configuration of ours: the default is int.
        for layers, strength in (("none", 0), ("int", 1), ("conf", 1)):
            with self.subTest(layers=layers):
                _, output = self.talk(layers, store.PLUGINS)
                self.assert_talked(output, strength)

    def test_the_client_s_limits(self):
        for minimum, maximum, strength in ((0, 0, 0), (0, 1, 1), (1, 1, 1)):
            with self.subTest(minimum=minimum, maximum=maximum):
                _, output = self.talk(
                    "conf", store.PLUGINS, "-k", str(minimum), "-l", str(maximum))
                self.assert_talked(output, strength)

    def test_a_client_that_wants_more_than_there_is(self):
        _, output = self.talk("int", store.PLUGINS, "-k", "128")
        self.assertNotIn("Authenticated.", output)

    def test_no_layer_inside_tls(self):
        _, output = self.talk("int", store.PLUGINS, "-t", "")
        self.assertIn("Authenticated.", output)
        for tag in ("a1", "a4", "a5"):
            self.assertIn(f"{tag} OK", output)

    def test_a_wrong_password(self):
        for layers in self.servers:
            _, output = self.talk(layers, store.PLUGINS, password="wrong")
            self.assertNotIn("Authenticated.", output)
            self.assertIn("Authentication failed.", output)

    def test_other_mechanisms_have_none(self):
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            with self.subTest(mechanism=mechanism):
                _, output = self.talk("int", store.PLUGINS, mechanism=mechanism)
                self.assert_talked(output, 0)


if __name__ == "__main__":
    imapd.require()
    harness.run_tests()
