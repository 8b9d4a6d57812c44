# SPDX-License-Identifier: BSD-2-Clause
"""Which account a login means, by smtpd_sasl_local_domain and by what the client typed."""

import collections

import harness
import postfix
from exchanges import MECHANISMS, authenticate, begin, directives
from smtp_talk import SmtpTalk

HOST = postfix.HOSTNAME
DOMAIN = "lab.test"
PASSWORDS = {HOST: "password at the host", DOMAIN: "password at the domain"}

# service, login -> realm of the account meant, name logged
Row = collections.namedtuple("Row", "service login realm logged")
TABLE = (
    Row("empty", "alice", HOST, "alice"),
    Row("empty", "alice@" + DOMAIN, DOMAIN, "alice@" + DOMAIN),
    Row("domain", "alice", DOMAIN, "alice@" + DOMAIN),
    Row("domain", "alice@" + DOMAIN, DOMAIN, "alice@" + DOMAIN),
    Row("domain", "alice@" + HOST, HOST, "alice@" + HOST),
    Row("host", "alice", HOST, "alice@" + HOST),
    Row("host", "alice@" + DOMAIN, DOMAIN, "alice@" + DOMAIN),
)


class RealmTest(harness.PostfixCase):
    users = [("alice", realm, password) for realm, password in PASSWORDS.items()]
    # DIGEST-MD5 hashes the realm that the server offers into every answer.
    init_options = ("--digest-realm", HOST, "--digest-realm", DOMAIN)
    services = {
        "empty": {"smtpd_sasl_local_domain": ""},
        "domain": {"smtpd_sasl_local_domain": DOMAIN},
        "host": {"smtpd_sasl_local_domain": "$myhostname"},
    }

    def test_table(self):
        for row in TABLE:
            for mechanism in MECHANISMS:
                with self.subTest(f"{row.service}: {row.login}, {mechanism}"):
                    self.check(row, mechanism)

    def check(self, row, mechanism):
        other = DOMAIN if row.realm == HOST else HOST
        since = self.postfix.log.mark()
        with SmtpTalk(self.postfix.ports[row.service]) as talk:
            reply = authenticate(talk, mechanism, row.login, PASSWORDS[other])
            self.assertEqual(reply.code, 535, talk.dialogue())
            reply = authenticate(talk, mechanism, row.login, PASSWORDS[row.realm])
            self.assertEqual(reply.code, 235, talk.dialogue())
            talk.line("MAIL FROM:<a@lab.test>")
            self.assertEqual(talk.line("RCPT TO:<x@relay.test>").code, 250, talk.dialogue())
        line = self.postfix.log.wait_for("sasl_method=", since)
        self.assertTrue(line.endswith(f", sasl_username={row.logged}"), line)

    def test_realm_offered_by_digest_md5(self):
        for service, realm in (("empty", HOST), ("domain", DOMAIN), ("host", HOST)):
            with self.subTest(service), SmtpTalk(self.postfix.ports[service]) as talk:
                challenge = begin(talk, "DIGEST-MD5").challenge
                talk.line("*")
                self.assertEqual(directives(challenge)["realm"].decode(), realm, challenge)

    def test_a_realm_that_does_not_exist(self):
        for mechanism in MECHANISMS:
            for service, password in (("empty", PASSWORDS[HOST]), ("domain", PASSWORDS[DOMAIN])):
                with self.subTest(f"{service}, {mechanism}"):
                    with SmtpTalk(self.postfix.ports[service]) as talk:
                        reply = authenticate(talk, mechanism, "alice@elsewhere.test", password)
                        self.assertEqual(reply.code, 535, talk.dialogue())

    def test_case(self):
        """The domain in any case, the user exactly as stored."""
        with SmtpTalk(self.postfix.ports["empty"]) as talk:
            reply = authenticate(talk, "PLAIN", "Alice@" + DOMAIN, PASSWORDS[DOMAIN])
            self.assertEqual(reply.code, 535, talk.dialogue())
            if not harness.STOCK:
                reply = authenticate(talk, "PLAIN", "alice@LAB.Test", PASSWORDS[DOMAIN])
                self.assertEqual(reply.code, 235, talk.dialogue())


if __name__ == "__main__":
    harness.main()
