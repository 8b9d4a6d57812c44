# SPDX-License-Identifier: BSD-2-Clause
"""The files of the store, byte for byte: no password, no name, nothing derived from a password."""

import base64
import hashlib
import hmac
import os

import harness
import verifiers
from exchanges import MECHANISMS, Scram, authenticate, begin
from smtp_talk import SmtpTalk

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}


class ArithmeticTest(harness.unittest.TestCase):
    """If these numbers were wrong, looking for them would prove nothing."""

    def test_hmac_md5_states(self):
        for password in (b"", b"tanstaaftanstaaf", b"k" * 64, b"k" * 65, b"k" * 200):
            for message in (b"", b"<1896.697170952@postoffice.reston.mci.net>", b"m" * 500):
                states = verifiers.hmac_md5_states(password)
                self.assertEqual(verifiers.hmac_md5_from_states(states, message),
                                 hmac.digest(password, message, hashlib.md5))

    def test_find_finds(self):
        secret = bytes(range(100, 120))
        for planted in (secret, secret[4:12], secret.hex().encode(), secret.hex().upper().encode(),
                        base64.b64encode(secret), base64.b64encode(b"x" + secret),
                        base64.b64encode(b"xy" + secret)):
            haystack = os.urandom(1000) + planted + os.urandom(1000)
            self.assertEqual(verifiers.find(haystack, {"it": secret}), ["it"], planted)
        self.assertEqual(verifiers.find(os.urandom(5000), {"it": secret}), [])


class DiskTest(harness.PostfixCase):
    USER, PASSWORD = "konstantin", "Vogelbeerbaum-1789"
    NEW_PASSWORD = "Ebereschenlaub-1848"
    REALM = "kontor.lab.test"
    GONE, GONE_PASSWORD = "leopoldine", "Holunderbusch-1914"
    users = [(USER, REALM, PASSWORD), (GONE, REALM, GONE_PASSWORD)]
    services = {"smtp": {"smtpd_sasl_local_domain": REALM}}

    def files(self):
        """name -> bytes of everything in the store's directory but the key."""
        found = {}
        for name in sorted(os.listdir(self.store.directory)):
            path = os.path.join(self.store.directory, name)
            if path != self.store.key:
                with open(path, "rb") as file:
                    found[name] = file.read()
        self.assertIn(os.path.basename(self.store.path), found)
        return found

    def needles(self, user, password):
        """Everything computable of an account; its SCRAM salts come from the server itself."""
        found = {"user": user.encode(), "realm": self.REALM.encode(),
                 "user@realm": f"{user}@{self.REALM}".encode()}
        found.update(verifiers.password_forms(password))
        found.update(verifiers.digest_forms(user, self.REALM, password))
        with SmtpTalk(self.postfix.port) as talk:
            for mechanism, hash_name in HASHES.items():
                scram = Scram(hash_name, user, password)
                scram.read_server_first(begin(talk, mechanism, scram.first()).challenge)
                talk.line("*")
                found.update(verifiers.scram_forms(
                    hash_name, password, scram.salt, scram.iterations))
            for mechanism in MECHANISMS:
                # They all let the user in: so these are the numbers that the server works with.
                with SmtpTalk(self.postfix.port) as other:
                    reply = authenticate(other, mechanism, user, password)
                    self.assertEqual(reply.code, 235, other.dialogue())
        return found

    def check(self, needles):
        for name, data in self.files().items():
            self.assertEqual(verifiers.find(data, needles), [], name)

    def test_nothing_readable(self):
        self.check(self.needles(self.USER, self.PASSWORD))

    def test_nothing_readable_after_changes(self):
        """LMDB leaves old pages in the file: neither they nor the new ones tell anything."""
        needles = self.needles(self.GONE, self.GONE_PASSWORD)
        self.store.delete(self.GONE, self.REALM)
        self.check(needles)
        needles = self.needles(self.USER, self.PASSWORD)
        self.store.add(self.USER, self.REALM, self.NEW_PASSWORD)
        self.check({**needles, **self.needles(self.USER, self.NEW_PASSWORD)})
        self.store.add(self.USER, self.REALM, self.PASSWORD)

    def test_the_key_is_not_in_the_store(self):
        if harness.STOCK:
            self.skipTest("sasldb has no key")
        with open(self.store.key, encoding="ascii") as file:
            lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
        self.assertEqual([len(line) for line in lines], [4], "lines of: id store-id key time")
        key = base64.b64decode(lines[0][2], validate=True)
        self.assertEqual(len(key), 32)
        self.check({"key": key})

    def test_only_the_owner_reads(self):
        if harness.STOCK:
            self.skipTest("sasldb lies in the jail")
        for name in os.listdir(self.store.directory):
            mode = os.stat(os.path.join(self.store.directory, name)).st_mode & 0o777
            self.assertEqual(oct(mode), oct(0o600), name)
        for directory, _, names in os.walk(self.postfix.queue):
            for name in names:
                self.assertNotIn("mdb", name, directory)

    def test_nothing_in_the_jail(self):
        """Neither a copy of the store nor a password in what Postfix keeps."""
        for directory, _, names in os.walk(self.postfix.queue):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        data = file.read()
                    self.assertEqual(verifiers.find(data, {"p": self.PASSWORD.encode()}), [], path)


if __name__ == "__main__":
    harness.main()
