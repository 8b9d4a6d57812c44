# SPDX-License-Identifier: BSD-2-Clause
"""Wrong messages at every step of every mechanism: refused, logged, and the server goes on."""

import re

import harness
from exchanges import MECHANISMS, authenticate, begin, encode
from malformed import scripts
from smtp_talk import SmtpTalk, b64

# What Postfix answers itself, before a plugin sees anything; it logs that in its own words.
NOT_FOR_PLUGIN = re.compile(r"5.. 5\.5\.|another step is needed")

# What libsasl2 refuses, before or after the plugin had its say.
FROM_LIBRARY = "Remote sent first|Requested identity not authenticated identity"

LINE = re.compile(
    r'sasl-lmdb: mech=(\S+) reason=(protocol|unknown|password|no-verifier|policy) user="([ -~]*)" '
    r"ip=127\.0\.0\.1(: [ -~]+)?$")

REFUSED = "535 5.7.8 Error: authentication failed: authentication failure"


class MalformedTest(harness.PostfixCase):
    PASSWORD = "seldomly-Typed-42"
    users = [(harness.PostfixCase.USER, harness.PostfixCase.REALM, PASSWORD)]

    def play(self, talk, mechanism, turns):
        """Plays a script to its end or to the first refusal."""
        reply = begin(talk, mechanism, turns[0])
        for turn in turns[1:]:
            if reply.code != 334:
                break
            reply = talk.line(encode(turn(reply.challenge) if callable(turn) else turn))
        if reply.code == 334:
            reply = talk.line("*")
        return reply

    def check_log(self, mechanism, since):
        line = self.postfix.log.wait_for(r"sasl-lmdb: |" + FROM_LIBRARY, since)
        if re.search(FROM_LIBRARY, line):
            return
        found = LINE.search(line)
        self.assertIsNotNone(found, line)
        self.assertEqual(found[1], mechanism, line)

    def check_script(self, talk, mechanism, turns):
        """Everything a script has to lead to, on a connection that has seen others before."""
        talk.transcript.clear()
        since = self.postfix.log.mark()
        reply = self.play(talk, mechanism, turns)
        self.assertTrue(500 <= reply.code <= 599, talk.dialogue())
        if not harness.STOCK and not NOT_FOR_PLUGIN.search(reply.text):
            try:
                self.check_log(mechanism, since)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{talk.dialogue()}") from None
        self.assertEqual(talk.line("MAIL FROM:<a@lab.test>").code, 250, talk.dialogue())
        self.assertEqual(talk.line("RCPT TO:<x@relay.test>").code, 554, talk.dialogue())
        self.assertEqual(talk.line("RSET").code, 250, talk.dialogue())

    def check_mechanism(self, mechanism):
        left = list(scripts(mechanism, self.USER, self.PASSWORD))
        while left:
            with SmtpTalk(self.postfix.port) as talk:
                # One connection for all; a new one only after a script that went wrong.
                while left:
                    name, turns = left.pop(0)
                    fine = False
                    with self.subTest(f"{mechanism}, {name}"):
                        self.check_script(talk, mechanism, turns)
                        fine = True
                    if not fine:
                        break
                else:
                    talk.transcript.clear()
                    reply = authenticate(talk, mechanism, self.USER, self.PASSWORD)
                    self.assertEqual(reply.code, 235, talk.dialogue())

    def test_plain(self):
        self.check_mechanism("PLAIN")

    def test_login(self):
        self.check_mechanism("LOGIN")

    def test_cram_md5(self):
        self.check_mechanism("CRAM-MD5")

    def test_digest_md5(self):
        self.check_mechanism("DIGEST-MD5")

    def test_scram_sha_1(self):
        self.check_mechanism("SCRAM-SHA-1")

    def test_scram_sha_256(self):
        self.check_mechanism("SCRAM-SHA-256")

    def test_not_base64(self):
        for mechanism in MECHANISMS:
            for text in ("!!!!", "AA=A", "A", "\xff\xff", "AAAA AAAA", "=", "QUJD*"):
                with self.subTest(f"{mechanism} {text}"), SmtpTalk(self.postfix.port) as talk:
                    reply = talk.line(f"AUTH {mechanism} {text}".encode("latin-1"))
                    self.assertTrue(500 <= reply.code <= 599, talk.dialogue())
                    reply = talk.line(f"AUTH {mechanism}")
                    self.assertEqual(reply.code, 334, talk.dialogue())
                    reply = talk.line(text.encode("latin-1"))
                    self.assertTrue(500 <= reply.code <= 599, talk.dialogue())
                    reply = authenticate(talk, mechanism, self.USER, self.PASSWORD)
                    self.assertEqual(reply.code, 235, talk.dialogue())

    def test_more_than_postfix_reads(self):
        """Postfix takes 12288 bytes of a response and refuses the rest."""
        for mechanism in MECHANISMS:
            for size in (12280, 12284, 12288, 12292, 65536):
                with self.subTest(f"{mechanism} {size}"), SmtpTalk(self.postfix.port) as talk:
                    reply = talk.line(f"AUTH {mechanism}")
                    while reply.code == 334:
                        reply = talk.line("QUFB" * (size // 4))
                    self.assertTrue(500 <= reply.code <= 599, talk.dialogue())
                    reply = authenticate(talk, mechanism, self.USER, self.PASSWORD)
                    self.assertEqual(reply.code, 235, talk.dialogue())

    def test_hostile_user_names_are_escaped_in_the_log(self):
        names = (
            'x" ip=10.0.0.1 sasl-lmdb: mech=PLAIN reason=password user="y',
            "x\r\nNov 24 00:00:00 mail postfix/smtpd[1]: forged",
            "x\x1b[2Jcleared",
            "x\\",
            "\u202eright to left",
            "n" * 200,
        )
        for name in names:
            with self.subTest(name), SmtpTalk(self.postfix.port) as talk:
                since = self.postfix.log.mark()
                talk.line("AUTH LOGIN")
                if talk.line(b64(name)).code == 334:
                    talk.line(b64("wrong"))
                self.assertEqual(talk.line("NOOP").code, 250, talk.dialogue())
                if harness.STOCK:
                    continue
                line = self.postfix.log.wait_for("sasl-lmdb: ", since)
                found = LINE.search(line)
                self.assertIsNotNone(found, line)
                self.assertNotIn('"', found[3], line)
                self.assertLessEqual(len(found[3]), 4 * 64 + 3, line)
                for logged in self.postfix.log.text(since).splitlines():
                    self.assertRegex(logged, r"^[ -~]+$")
                    self.assertNotRegex(logged, "^Nov 24 00:00:00")


if __name__ == "__main__":
    harness.main()
