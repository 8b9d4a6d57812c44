# SPDX-License-Identifier: BSD-2-Clause
"""The AUTH dialogue byte for byte: what each line is answered with, and what may follow what."""

import harness
import postfix
from exchanges import CHALLENGES, MECHANISMS, Scram, authenticate, begin, encode, start
from smtp_talk import SmtpTalk, b64

OK = b"235 2.7.0 Authentication successful\r\n"
REFUSED = b"535 5.7.8 Error: authentication failed: authentication failure\r\n"
ABORTED = b"501 5.7.0 Authentication aborted\r\n"
ASK_USER = b"334 VXNlcm5hbWU6\r\n"
ASK_PASSWORD = b"334 UGFzc3dvcmQ6\r\n"
EMPTY_CHALLENGE = b"334 \r\n"

MAX = "TWF4IE11c3Rlcm1hbm4="
SPAM = "SWNoYmlua2VpblNwYW1tZXI="


class DialogueTest(harness.PostfixCase):
    USER, PASSWORD = "Max Mustermann", "IchbinkeinSpammer"
    OTHER, OTHER_PASSWORD = "bob", "bob's own password"
    users = [
        (USER, harness.PostfixCase.REALM, PASSWORD),
        (OTHER, harness.PostfixCase.REALM, OTHER_PASSWORD),
    ]

    services = {"smtp": {}, "free": {postfix.CHROOT: "n"}}

    def talk(self, service="smtp"):
        return SmtpTalk(self.postfix.ports[service])

    def expect(self, lines):
        """lines: (what the client sends, the exact reply)."""
        with self.talk() as talk:
            for line, reply in lines:
                self.assertEqual(talk.line(line).raw, reply, talk.dialogue())

    def test_offer(self):
        with self.talk() as talk:
            self.assertIn(
                "250-AUTH PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256\r\n",
                talk.hello.raw.decode())

    def test_out_of_the_jail(self):
        for mechanism in MECHANISMS:
            for password, code in ((self.PASSWORD, 235), ("x", 535)):
                with self.subTest(f"{mechanism} {password}"), self.talk("free") as talk:
                    reply = authenticate(talk, mechanism, self.USER, password)
                    self.assertEqual(reply.code, code, talk.dialogue())

    def test_login(self):
        self.expect([("AUTH LOGIN", ASK_USER), (MAX, ASK_PASSWORD), (SPAM, OK)])

    def test_login_with_initial_response(self):
        self.expect([(f"AUTH LOGIN {MAX}", ASK_PASSWORD), (SPAM, OK)])

    def test_login_in_lower_case_as_dotnet_sends_it(self):
        self.expect([(f"AUTH login {MAX}", ASK_PASSWORD), (SPAM, OK)])

    def test_login_wrong_password(self):
        self.expect([
            ("AUTH LOGIN", ASK_USER), (MAX, ASK_PASSWORD), (b64("IchbineinSpammer"), REFUSED)])

    def test_login_unknown_user(self):
        self.expect([
            ("AUTH LOGIN", ASK_USER), (b64("Erika Mustermann"), ASK_PASSWORD), (SPAM, REFUSED)])

    def test_login_password_case_and_space_count(self):
        for password in ("ichbinkeinspammer", "IchbinkeinSpammer ", " IchbinkeinSpammer",
                         "IchbinkeinSpamme", "IchbinkeinSpammerr"):
            with self.subTest(password):
                self.expect([
                    ("AUTH LOGIN", ASK_USER), (MAX, ASK_PASSWORD), (b64(password), REFUSED)])

    def test_plain(self):
        message = b64(f"\0{self.USER}\0{self.PASSWORD}")
        self.expect([("AUTH PLAIN", EMPTY_CHALLENGE), (message, OK)])

    def test_plain_with_initial_response(self):
        self.expect([("AUTH PLAIN " + b64(f"\0{self.USER}\0{self.PASSWORD}"), OK)])

    def test_plain_with_own_name_as_authorization_identity(self):
        self.expect([("AUTH PLAIN " + b64(f"{self.USER}\0{self.USER}\0{self.PASSWORD}"), OK)])

    def test_plain_as_somebody_else(self):
        for authzid in (self.OTHER, "nosuchuser", "root"):
            with self.subTest(authzid), self.talk() as talk:
                reply = talk.line("AUTH PLAIN " + b64(f"{authzid}\0{self.USER}\0{self.PASSWORD}"))
                self.assertEqual(reply.code, 535, talk.dialogue())

    def test_abort_at_each_step(self):
        """Also after the server's last message: the right proof alone lets nobody in."""
        for mechanism, challenges in CHALLENGES.items():
            for step in range(challenges):
                with self.subTest(f"{mechanism}, challenge {step}"), self.talk() as talk:
                    exchange = start(mechanism, self.USER, self.PASSWORD)
                    reply = begin(talk, mechanism, next(exchange))
                    for _ in range(step):
                        reply = talk.line(encode(exchange.send(reply.challenge)))
                    self.assertEqual(reply.code, 334, talk.dialogue())
                    self.assertEqual(talk.line("*").raw, ABORTED, talk.dialogue())
                    self.assertEqual(talk.line("MAIL FROM:<a@lab.test>").code, 250)
                    self.assertEqual(talk.line("RCPT TO:<x@relay.test>").code, 554)
                    self.assertEqual(talk.line("RSET").code, 250)
                    reply = authenticate(talk, mechanism, self.OTHER, self.OTHER_PASSWORD)
                    self.assertEqual(reply.raw, OK, talk.dialogue())

    def test_abort_of_plain_without_initial_response(self):
        self.expect([
            ("AUTH PLAIN", EMPTY_CHALLENGE), ("*", ABORTED), ("NOOP", b"250 2.0.0 Ok\r\n")])

    def test_second_attempt_is_free_of_the_first(self):
        """Somebody fails, then somebody else logs in: his name and nothing else is logged."""
        for first in MECHANISMS:
            for second in MECHANISMS:
                with self.subTest(f"{first}, then {second}"), self.talk() as talk:
                    since = self.postfix.log.mark()
                    failed = authenticate(talk, first, self.USER, "wrong")
                    self.assertEqual(failed.raw, REFUSED, talk.dialogue())
                    # The first user's password must not help the second one.
                    failed = authenticate(talk, second, self.OTHER, self.PASSWORD)
                    self.assertEqual(failed.raw, REFUSED, talk.dialogue())
                    reply = authenticate(talk, second, self.OTHER, self.OTHER_PASSWORD)
                    self.assertEqual(reply.raw, OK, talk.dialogue())
                    self.assertEqual(talk.line("MAIL FROM:<a@lab.test>").code, 250)
                    self.assertEqual(talk.line("RCPT TO:<x@relay.test>").code, 250)
                    line = self.postfix.log.wait_for("sasl_method=", since)
                    self.assertIn(f"sasl_method={second}, sasl_username={self.OTHER}", line)

    def test_no_second_login_after_success(self):
        with self.talk() as talk:
            reply = authenticate(talk, "PLAIN", self.USER, self.PASSWORD)
            self.assertEqual(reply.raw, OK, talk.dialogue())
            reply = talk.line("AUTH LOGIN")
            self.assertEqual(reply.code, 503, talk.dialogue())

    def test_challenges_never_repeat(self):
        for mechanism in ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"):
            seen = set()
            with self.subTest(mechanism), self.talk() as talk:
                for _ in range(20):
                    message = next(start(mechanism, self.USER, self.PASSWORD))
                    challenge = begin(talk, mechanism, message).challenge
                    talk.line("*")
                    self.assertNotIn(challenge, seen)
                    seen.add(challenge)

    def test_scram_salt_of_an_unknown_user_stays_the_same(self):
        """As a known user's does; a salt that changed would tell the two apart."""
        for name, mechanism in (("sha1", "SCRAM-SHA-1"), ("sha256", "SCRAM-SHA-256")):
            with self.subTest(mechanism), self.talk() as talk:
                found = {}
                for user in (self.USER, self.OTHER, "nosuchuser", "nosuchuser2"):
                    for _ in range(2):
                        scram = Scram(name, user, "x")
                        reply = begin(talk, mechanism, scram.first())
                        scram.read_server_first(reply.challenge)
                        talk.line("*")
                        found.setdefault(user, set()).add(
                            (scram.salt, len(scram.salt), scram.iterations))
                self.assertEqual([len(answers) for answers in found.values()], [1] * 4, found)
                answers = [answer for answers in found.values() for answer in answers]
                self.assertEqual(len({salt for salt, _, _ in answers}), 4, found)
                self.assertEqual(len({answer[1:] for answer in answers}), 1, found)


if __name__ == "__main__":
    harness.main()
