# SPDX-License-Identifier: BSD-2-Clause
"""Is it an open relay? Foreign destinations are for those who have logged in."""

import harness
from exchanges import MECHANISMS, authenticate, begin, start
from smtp_talk import SmtpTalk

FOREIGN = "RCPT TO:<somebody@relay.test>"
LOCAL = "RCPT TO:<somebody@local.lab.test>"
DENIED = "554 5.7.1 <somebody@relay.test>: Relay access denied"


class RelayTest(harness.PostfixCase):
    def talk(self):
        return SmtpTalk(self.postfix.port)

    def check_rcpt(self, talk, recipient, code):
        self.assertEqual(talk.line("MAIL FROM:<sender@lab.test>").code, 250, talk.dialogue())
        reply = talk.line(recipient)
        self.assertEqual(reply.code, code, talk.dialogue())
        self.assertEqual(talk.line("RSET").code, 250, talk.dialogue())
        return reply

    def test_foreign_without_login(self):
        with self.talk() as talk:
            self.assertEqual(self.check_rcpt(talk, FOREIGN, 554).text, DENIED)

    def test_foreign_disguised(self):
        for recipient in ("somebody%relay.test@local.lab.test", '"somebody@relay.test"',
                          "@local.lab.test:somebody@relay.test", "relay.test!somebody"):
            with self.subTest(recipient), self.talk() as talk:
                self.assertEqual(talk.line("MAIL FROM:<sender@lab.test>").code, 250)
                self.assertNotEqual(talk.line(f"RCPT TO:<{recipient}>").code, 250, talk.dialogue())

    def test_local_without_login(self):
        with self.talk() as talk:
            self.check_rcpt(talk, LOCAL, 250)

    def test_foreign_after_a_refused_login(self):
        for mechanism in MECHANISMS:
            for user, password in ((self.USER, "wrong"), ("nosuchuser", self.PASSWORD)):
                with self.subTest(f"{mechanism} {user}"), self.talk() as talk:
                    reply = authenticate(talk, mechanism, user, password)
                    self.assertEqual(reply.code, 535, talk.dialogue())
                    self.assertEqual(self.check_rcpt(talk, FOREIGN, 554).text, DENIED)
                    self.check_rcpt(talk, LOCAL, 250)

    def test_foreign_after_half_a_login(self):
        for mechanism in MECHANISMS[1:]:
            with self.subTest(mechanism), self.talk() as talk:
                first = next(start(mechanism, self.USER, self.PASSWORD))
                reply = begin(talk, mechanism, first)
                self.assertEqual(reply.code, 334, talk.dialogue())
                self.assertEqual(talk.line("*").code, 501, talk.dialogue())
                self.check_rcpt(talk, FOREIGN, 554)

    def test_foreign_after_login(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism), self.talk() as talk:
                reply = authenticate(talk, mechanism, self.USER, self.PASSWORD)
                self.assertEqual(reply.code, 235, talk.dialogue())
                self.check_rcpt(talk, FOREIGN, 250)

    def test_a_login_ends_with_its_connection(self):
        with self.talk() as talk:
            reply = authenticate(talk, "PLAIN", self.USER, self.PASSWORD)
            self.assertEqual(reply.code, 235, talk.dialogue())
        # The same smtpd process serves the next client.
        with self.talk() as talk:
            self.check_rcpt(talk, FOREIGN, 554)


if __name__ == "__main__":
    harness.main()
