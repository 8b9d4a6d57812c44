# SPDX-License-Identifier: BSD-2-Clause
"""pwcheck_method: sites that let saslauthd verify PLAIN and LOGIN go on doing so."""

import harness
from exchanges import authenticate
from saslauthd import Saslauthd
from smtp_talk import SmtpTalk

PATH = "/run/saslauthd/mux"
CLEAR = ("PLAIN", "LOGIN")
CHALLENGE = ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")


class SaslauthdTest(harness.PostfixCase):
    """alice is in the store only, bob in saslauthd only, carol in both with two passwords."""

    ALICE, BOB = "alice's password", 'bob\'s "other" password'
    CAROL_STORE, CAROL_SASLAUTHD = "carol in the store", "carol at saslauthd"
    users = [
        ("alice", harness.PostfixCase.REALM, ALICE),
        ("carol", harness.PostfixCase.REALM, CAROL_STORE),
    ]
    services = {
        "saslauthd": {"smtpd_sasl_path": "saslauthd"},
        "both": {"smtpd_sasl_path": "both"},
        "reverse": {"smtpd_sasl_path": "reverse"},
        "unknown": {"smtpd_sasl_path": "unknown"},
    }

    @classmethod
    def sasl_confs(cls):
        methods = {
            "saslauthd": "saslauthd",
            "both": "auxprop saslauthd",
            "reverse": "saslauthd auxprop",
            "unknown": "nosuchmethod",
        }
        return {
            name: cls.store.conf(pwcheck_method=method, saslauthd_path=PATH)
            for name, method in methods.items()
        }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        users = {("bob", cls.BOB), ("carol", cls.CAROL_SASLAUTHD)}
        cls.saslauthd = cls.enterClassContext(Saslauthd(cls.postfix.queue, users))

    def code(self, service, mechanism, user, password):
        with SmtpTalk(self.postfix.ports[service]) as talk:
            return authenticate(talk, mechanism, user, password).code

    def check(self, service, mechanisms, expected):
        for mechanism in mechanisms:
            got = {(user, password): self.code(service, mechanism, user, password)
                   for user, password in expected}
            self.assertEqual(got, expected, f"{service}, {mechanism}")

    def test_saslauthd_alone(self):
        self.check("saslauthd", CLEAR, {
            ("bob", self.BOB): 235,
            ("bob", "wrong"): 535,
            ("alice", self.ALICE): 535,
            ("carol", self.CAROL_SASLAUTHD): 235,
            ("carol", self.CAROL_STORE): 535,
            ("nosuchuser", self.BOB): 535,
        })

    def test_it_is_asked_with_the_password_as_typed(self):
        self.saslauthd.asked.clear()
        self.assertEqual(self.code("saslauthd", "PLAIN", "bob", self.BOB), 235)
        self.assertEqual(self.saslauthd.asked, [("bob", self.BOB)])

    def test_auxprop_then_saslauthd(self):
        self.check("both", CLEAR, {
            ("alice", self.ALICE): 235,
            ("alice", "wrong"): 535,
            ("bob", self.BOB): 235,
            ("bob", "wrong"): 535,
            ("carol", self.CAROL_STORE): 235,
            ("carol", self.CAROL_SASLAUTHD): 235,
            ("carol", "wrong"): 535,
            ("nosuchuser", self.BOB): 535,
        })

    def test_saslauthd_then_auxprop(self):
        self.check("reverse", CLEAR, {
            ("alice", self.ALICE): 235,
            ("bob", self.BOB): 235,
            ("carol", self.CAROL_STORE): 235,
            ("carol", self.CAROL_SASLAUTHD): 235,
            ("carol", "wrong"): 535,
        })

    def test_saslauthd_is_not_asked_when_the_store_says_yes(self):
        self.saslauthd.asked.clear()
        self.assertEqual(self.code("both", "PLAIN", "alice", self.ALICE), 235)
        self.assertEqual(self.saslauthd.asked, [])

    def test_other_mechanisms_stay_with_the_store(self):
        for service in ("saslauthd", "both", "reverse", "unknown"):
            self.check(service, CHALLENGE, {
                ("alice", self.ALICE): 235,
                ("alice", "wrong"): 535,
                ("bob", self.BOB): 535,
                ("carol", self.CAROL_STORE): 235,
                ("carol", self.CAROL_SASLAUTHD): 535,
            })

    def test_a_method_nobody_knows_lets_nobody_in(self):
        for mechanism in CLEAR:
            for user, password in (("alice", self.ALICE), ("bob", self.BOB)):
                code = self.code("unknown", mechanism, user, password)
                self.assertIn(code, range(400, 600), f"{mechanism} {user}")

    def test_zz_saslauthd_gone(self):
        """Last, as it stops it: an outage, and the store's own users do not notice."""
        self.saslauthd.stop()
        self.check("saslauthd", CLEAR, {("bob", self.BOB): 454, ("alice", self.ALICE): 454})
        self.check("both", CLEAR, {("alice", self.ALICE): 235, ("bob", self.BOB): 454})
        self.check("saslauthd", ("CRAM-MD5",), {("alice", self.ALICE): 235})


if __name__ == "__main__":
    harness.main("saslauthd")
