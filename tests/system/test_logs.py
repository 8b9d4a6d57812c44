# SPDX-License-Identifier: BSD-2-Clause
"""What a postmaster and his log watchers read after a login, and what nobody must read."""

import base64
import re

import harness
from exchanges import MECHANISMS, authenticate
from smtp_talk import SmtpTalk
from store import must


class LogCase(harness.PostfixCase):
    """Logging in, and reading what that left in the log."""

    def attempt(self, mechanism, user, password):
        """(reply, our log line or None): a login attempt and what it left in the log."""
        since = self.postfix.log.mark()
        with SmtpTalk(self.postfix.port) as talk:
            reply = authenticate(talk, mechanism, user, password)
        self.postfix.log.wait_for("disconnect from ", since)
        ours = [line for line in self.postfix.log.text(since).splitlines()
                if "sasl-lmdb: mech=" in line]
        self.assertLessEqual(len(ours), 1, ours)
        return reply, ours[0] if ours else None

    def check_failure(self, mechanism, user, password, reason):
        reply, line = self.attempt(mechanism, user, password)
        self.assertEqual(reply.code, 535, reply)
        self.assertIsNotNone(line, "nothing logged")
        self.assertRegex(
            line,
            r"postfix/smtpd\[\d+\]: warning: SASL authentication failure: "
            + re.escape(f'sasl-lmdb: mech={mechanism} reason={reason} user="{user}" ip=127.0.0.1')
            + "(: [ -~]+)?$")


class LogTest(LogCase):
    def test_success(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism), SmtpTalk(self.postfix.port) as talk:
                since = self.postfix.log.mark()
                reply = authenticate(talk, mechanism, self.USER, self.PASSWORD)
                self.assertEqual(reply.code, 235, talk.dialogue())
                talk.line("MAIL FROM:<sender@lab.test>")
                self.assertEqual(talk.line("RCPT TO:<somebody@relay.test>").code, 250)
                line = self.postfix.log.wait_for("client=unknown", since)
                self.assertRegex(line, f"client=unknown\\[127.0.0.1\\], sasl_method={mechanism}, "
                                       f"sasl_username={self.USER}$")
                self.assertNotIn("sasl-lmdb:", self.postfix.log.text(since))

    def test_wrong_password(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.check_failure(mechanism, self.USER, self.PASSWORD[:-1], "password")

    def test_unknown_user(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.check_failure(mechanism, "nosuchuser", self.PASSWORD, "unknown")

    def test_postfix_names_the_mechanism_and_the_client(self):
        """The line that fail2ban and others match."""
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                since = self.postfix.log.mark()
                self.attempt(mechanism, self.USER, "wrong")
                line = self.postfix.log.wait_for("authentication failed", since)
                self.assertRegex(
                    line, f"warning: unknown\\[127.0.0.1\\]: SASL {mechanism} authentication "
                          "failed: authentication failure")

    def test_no_password_in_any_log(self):
        """Right and wrong ones, as typed and in the forms they travel in."""
        wrong = "My-0ther-Secret-77"
        for mechanism in MECHANISMS:
            for user in (self.USER, "nosuchuser"):
                for password in (self.PASSWORD, wrong):
                    self.attempt(mechanism, user, password)
        text = self.postfix.log.text()
        for password in (self.PASSWORD, wrong):
            raw = password.encode()
            forms = [password, password[3:-3], raw.hex()]
            for shift in range(3):
                encoded = base64.b64encode(b"\0" * shift + raw).decode()
                forms.append(encoded[4 if shift else 0:-4])
            for form in forms:
                self.assertNotIn(form, text)


@harness.unittest.skipIf(harness.STOCK, "sasldb cannot tell these apart")
class ReasonTest(LogCase):
    """Accounts that exist and still cannot log in: the client sees a wrong password."""

    init_options = ("--verifiers", "strict")
    DISABLED = "dora"
    users = [
        (name, harness.PostfixCase.REALM, harness.PostfixCase.PASSWORD)
        for name in (harness.PostfixCase.USER, DISABLED)
    ]

    def test_no_verifier(self):
        """A strict store keeps nothing that the old mechanisms could use."""
        for mechanism in ("CRAM-MD5", "DIGEST-MD5"):
            with self.subTest(mechanism):
                self.check_failure(mechanism, self.USER, self.PASSWORD, "no-verifier")
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                reply, line = self.attempt(mechanism, self.USER, self.PASSWORD)
                self.assertEqual((reply.code, line), (235, None), reply)

    def test_disabled_and_enabled(self):
        name = f"{self.DISABLED}@{self.REALM}"
        must(self.store.tool("disable", name))
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                self.check_failure(mechanism, self.DISABLED, self.PASSWORD, "disabled")
        must(self.store.tool("enable", name))
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
            with self.subTest(f"{mechanism}, enabled again"):
                reply, _ = self.attempt(mechanism, self.DISABLED, self.PASSWORD)
                self.assertEqual(reply.code, 235, reply)


if __name__ == "__main__":
    harness.main()
