# SPDX-License-Identifier: BSD-2-Clause
"""Cyrus SASL's own saslpasswd2, through libsasl2, on the store: the logins follow."""

import os
import shutil

import harness
from exchanges import MECHANISMS, authenticate
from smtp_talk import SmtpTalk
from store import must, run


class Saslpasswd2Test(harness.PostfixCase):
    FIRST, SECOND = "the first password", "the second password"

    def saslpasswd2(self, *arguments, secret="", writable=True):
        """Runs it with a configuration of our own, found by way of SASL_CONF_PATH."""
        directory = self.work.join("writable" if writable else "read-only")
        os.makedirs(directory, exist_ok=True)
        options = {"lmdb_writable": "yes"} if writable else {}
        with open(os.path.join(directory, "saslpasswd.conf"), "w", encoding="utf-8") as file:
            file.write(self.store.conf(**options))
        env = {"SASL_CONF_PATH": directory}
        if self.store.plugin_path:
            env["SASL_PATH"] = self.store.plugin_path
        done = run([shutil.which("saslpasswd2"), *arguments], secret, env)
        self.store.publish()
        return done

    def check(self, user, password, code, mechanisms=MECHANISMS):
        for mechanism in mechanisms:
            with self.subTest(f"{mechanism} {user}"), SmtpTalk(self.postfix.port) as talk:
                reply = authenticate(talk, mechanism, user, password)
                self.assertEqual(reply.code, code, talk.dialogue())

    def test_set_change_delete(self):
        user = "dave"
        self.check(user, self.FIRST, 535)
        must(self.saslpasswd2("-p", "-c", "-u", self.REALM, user, secret=self.FIRST))
        self.check(user, self.FIRST, 235)
        must(self.saslpasswd2("-p", "-u", self.REALM, user, secret=self.SECOND))
        self.check(user, self.FIRST, 535)
        self.check(user, self.SECOND, 235)
        must(self.saslpasswd2("-d", "-u", self.REALM, user))
        self.check(user, self.SECOND, 535)
        # Set again: nothing of the old account is in the way.
        must(self.saslpasswd2("-p", "-c", "-u", self.REALM, user, secret=self.FIRST))
        self.check(user, self.FIRST, 235)

    def test_other_users_are_left_alone(self):
        must(self.saslpasswd2("-p", "-c", "-u", self.REALM, "erin", secret=self.FIRST))
        must(self.saslpasswd2("-d", "-u", self.REALM, "erin"))
        self.check(self.USER, self.PASSWORD, 235)

    def test_a_server_does_not_need_to_be_told(self):
        """The same smtpd process sees the change at its next lookup."""
        must(self.saslpasswd2("-p", "-c", "-u", self.REALM, "frank", secret=self.FIRST))
        with SmtpTalk(self.postfix.port) as talk:
            reply = authenticate(talk, "CRAM-MD5", "frank", self.SECOND)
            self.assertEqual(reply.code, 535, talk.dialogue())
            must(self.saslpasswd2("-p", "-u", self.REALM, "frank", secret=self.SECOND))
            reply = authenticate(talk, "CRAM-MD5", "frank", self.SECOND)
            self.assertEqual(reply.code, 235, talk.dialogue())

    def test_delete_of_nobody_and_delete_twice(self):
        done = self.saslpasswd2("-d", "-u", self.REALM, "nosuchuser")
        self.assertEqual(done.returncode, 0, done)
        must(self.saslpasswd2("-p", "-c", "-u", self.REALM, "grace", secret=self.FIRST))
        for _ in range(2):
            done = self.saslpasswd2("-d", "-u", self.REALM, "grace")
            self.assertEqual(done.returncode, 0, done)
        self.check("grace", self.FIRST, 535)

    def test_empty_password(self):
        done = self.saslpasswd2("-p", "-c", "-u", self.REALM, "heidi", secret="")
        self.assertNotEqual(done.returncode, 0, done)
        self.check("heidi", "", 535, ("LOGIN", "CRAM-MD5"))

    def test_refused_unless_writable(self):
        if harness.STOCK:
            self.skipTest("sasldb has no such option")
        for arguments, secret in (
                (("-p", "-c", "-u", self.REALM, "ivan"), self.FIRST),
                (("-p", "-u", self.REALM, self.USER), self.SECOND),
                (("-d", "-u", self.REALM, self.USER), "")):
            with self.subTest(arguments):
                done = self.saslpasswd2(*arguments, secret=secret, writable=False)
                self.assertNotEqual(done.returncode, 0, done)
                self.assertNotIn(secret or "\0", done.stdout + done.stderr)
        self.check("ivan", self.FIRST, 535)
        self.check(self.USER, self.PASSWORD, 235)

    def test_our_tool_sees_what_it_wrote(self):
        if harness.STOCK:
            self.skipTest("this is about the store under test")
        must(self.saslpasswd2("-p", "-c", "-u", self.REALM, "judy", secret=self.FIRST))
        listed = must(self.store.tool("list")).stdout
        self.assertIn("judy", listed)
        verified = self.store.tool("verify", "judy@" + self.REALM, secret=self.FIRST + "\n")
        self.assertEqual(verified.returncode, 0, verified)
        verified = self.store.tool("verify", "judy@" + self.REALM, secret="wrong\n")
        self.assertEqual(verified.returncode, 1, verified)


if __name__ == "__main__":
    harness.main("saslpasswd2")
