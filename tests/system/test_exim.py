# SPDX-License-Identifier: BSD-2-Clause
"""A real Exim on our store: plugins loaded, initialised, freed and unloaded for each authenticator and
again for each login."""

import os
import unittest

import exchanges
import exim
import harness
import store
import unpacked
from smtp_talk import SmtpTalk

REALM = "lab.test"
USER, PASSWORD = "alice", 'Tr0ub4dor&3 "q" \\n'
USERS = [(USER, REALM, PASSWORD)]
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)


class EximTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, exim.USER, USERS)
        cls.server = exim.Exim(
            cls.work, unpacked.find(cls.work, exim.PACKAGES),
            cls.store.options(mech_list=" ".join(MECHANISMS)), store.PLUGINS, REALM)
        unpacked.require_word("cyrus_sasl", cls.server.version())
        cls.enterClassContext(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.check_log(USERS)

    def login(self, mechanism, user, password):
        """(the reply to AUTH, the code of a RCPT after it)"""
        with SmtpTalk(self.server.port) as talk:
            reply = exchanges.authenticate(talk, mechanism, user, password)
            talk.line("MAIL FROM:<sender@lab.test>")
            return reply, talk.line("RCPT TO:<somebody@relay.test>").code

    def test_each_mechanism_is_offered_once(self):
        with SmtpTalk(self.server.port) as talk:
            offered = [line for line in talk.hello.text.splitlines() if "AUTH " in line]
            self.assertEqual(sorted(offered[0].split()[1:]), sorted(MECHANISMS))

    def test_every_mechanism(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                reply, recipient = self.login(mechanism, USER, PASSWORD)
                self.assertEqual((reply.code, recipient), (235, 250), reply)

    def test_refused_alike(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                since = self.server.log.mark()
                answers = set()
                for user, password in ((USER, PASSWORD + "x"), ("nosuchuser", PASSWORD)):
                    reply, recipient = self.login(mechanism, user, password)
                    answers.add((reply.text, recipient))
                self.assertEqual(len(answers), 1, answers)
                self.assertEqual((reply.code, recipient), (535, 550), answers)
                for reason in ("password", "unknown"):
                    self.server.log.wait_for(
                        f"sasl-lmdb: mech={mechanism} reason={reason} user=", since)

    def test_store_outage(self):
        """Each login opens the store anew."""
        aside = self.store.path + ".aside"
        os.rename(self.store.path, aside)
        try:
            for mechanism in MECHANISMS:
                with self.subTest(mechanism):
                    replies = {self.login(mechanism, user, "x")[0].text
                               for user in (USER, "nosuchuser")}
                    self.assertEqual(len(replies), 1, replies)
                    self.assertEqual(min(replies)[0], "4", replies)
        finally:
            os.rename(aside, self.store.path)
        self.test_every_mechanism()


if __name__ == "__main__":
    os.environ["PATH"] = harness.SBIN
    harness.require_ours()
    if os.getuid() != 0:
        harness.skip("Exim has to be started as root")
    harness.require_namespaces("Exim", "-m")
    harness.run_tests()
