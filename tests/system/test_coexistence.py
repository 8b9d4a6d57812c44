# SPDX-License-Identifier: BSD-2-Clause
"""The distribution's other plugins (GSSAPI, GS2, NTLM, ANONYMOUS) beside ours, as after an installation
over the stock files: each mechanism is there once, in the order of the stock set, and logins work."""

import glob
import imaplib
import os
import shutil
import unittest

import exchanges
import harness
import imapd
import store

REALM = imapd.HOSTNAME
USER, PASSWORD = "alice", "correct horse"
USERS = [(USER, REALM, PASSWORD)]
SECONDS = 30
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)

# Files that ours take the place of, and the mechanisms of theirs that ours do not have.
REPLACED = ("libplain.so", "liblogin.so", "libcrammd5.so", "libdigestmd5.so", "libscram.so")
STOCK_ONLY = {"SCRAM-SHA-224", "SCRAM-SHA-384"}

# The file and the mechanism it has to bring, each in a Debian package.
OTHERS = {
    "libgssapiv2.so": ("GSSAPI", "libsasl2-modules-gssapi-mit"),
    "libgs2.so": ("GS2-KRB5", "libsasl2-modules-gssapi-mit"),
    "libntlm.so": ("NTLM", "libsasl2-modules"),
    "libanonymous.so": ("ANONYMOUS", "libsasl2-modules"),
}


def listed(plugins, work):
    """The server mechanisms libsasl2 finds in a directory, in its order."""
    output = store.must(store.run(
        ["saslpluginviewer", "-s"], env={"SASL_PATH": plugins, "SASL_CONF_PATH": work})).stdout
    return output.splitlines()[1].split()


class CoexistenceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, "cyrus", USERS)
        cls.stock = cls.work.mkdir("stock", 0o755)
        cls.mixed = cls.work.mkdir("mixed", 0o755)
        # Among equals the order of the directory decides: same names, made in the same order.
        for path in sorted(glob.glob(os.path.join(harness.stock_plugins(), "*.so"))):
            name = os.path.basename(path)
            ours = os.path.join(store.PLUGINS, name)
            os.symlink(path, os.path.join(cls.stock, name))
            os.symlink(ours if name in REPLACED else path, os.path.join(cls.mixed, name))
        os.symlink(os.path.join(store.PLUGINS, "libsasllmdb.so"),
                   os.path.join(cls.mixed, "libsasllmdb.so"))

    def test_order_is_the_stock_order(self):
        stock, mixed = listed(self.stock, self.work.path), listed(self.mixed, self.work.path)
        self.assertEqual(mixed, [name for name in stock if name not in STOCK_ONLY])

    def test_each_mechanism_once(self):
        mixed = listed(self.mixed, self.work.path)
        self.assertEqual(len(set(mixed)), len(mixed), mixed)
        for mechanism in (*MECHANISMS, *(mechanism for mechanism, _ in OTHERS.values())):
            self.assertIn(mechanism, mixed)

    def test_logins_beside_them(self):
        """No mech_list: Cyrus IMAP offers whatever it finds, and our mechanisms let the user in."""
        options = self.store.options()
        del options["mech_list"]
        with imapd.Imapd(self.work, options, self.mixed) as server:
            with imaplib.IMAP4("127.0.0.1", server.port, timeout=SECONDS) as client:
                words = [word for word in client.capability()[1][0].decode().split()
                         if word.startswith("AUTH=")]
            self.assertEqual(len(set(words)), len(words), words)
            self.assertLess({"AUTH=" + mechanism for mechanism in MECHANISMS}, set(words))
            for mechanism in MECHANISMS:
                for password, expected in ((PASSWORD, "OK"), ("wrong", "NO")):
                    with self.subTest(f"{mechanism} {password}"), \
                            imaplib.IMAP4("127.0.0.1", server.port, timeout=SECONDS) as client:
                        respond = exchanges.responder(mechanism, USER, password, "imap")
                        if expected == "OK":
                            client.authenticate(mechanism, respond)
                        else:
                            self.assertRaises(
                                imaplib.IMAP4.error, client.authenticate, mechanism, respond)
            server.check_log(USERS)


if __name__ == "__main__":
    imapd.require()
    if not shutil.which("saslpluginviewer"):
        harness.skip("saslpluginviewer is missing: apt-get install sasl2-bin")
    for file, (_, package) in OTHERS.items():
        if not os.path.exists(os.path.join(harness.stock_plugins() or "/", file)):
            harness.skip(f"{file} is missing: apt-get install {package}")
    harness.run_tests()
