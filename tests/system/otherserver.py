# SPDX-License-Identifier: BSD-2-Clause
"""Mail servers other than Postfix, on our store: what logins have to look like is the same for all.

A test of such a server says which it is, and adds what only that one does.
"""

import exchanges
import harness
import store
import unpacked
from smtp_talk import SmtpTalk

REALM = "lab.test"
USER, PASSWORD = "alice", 'Tr0ub4dor&3 "q" \\n'
USERS = [(USER, REALM, PASSWORD)]
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)


class Logins:
    """A mixin. kind: the class of the server; feature: a word of what it says it was built with;
    source: the address of clients, None for the usual one."""

    kind = None
    feature = None
    source = None

    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, cls.kind.user, USERS)
        cls.server = cls.kind(
            cls.work, unpacked.find(cls.work, cls.kind.packages),
            cls.store.options(mech_list=" ".join(MECHANISMS)), store.PLUGINS, REALM)
        unpacked.require_word(cls.feature, cls.server.version())
        cls.enterClassContext(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.check_log(USERS)

    def connect(self):
        return SmtpTalk(self.server.port, source=self.source)

    @staticmethod
    def recipient(talk):
        """The code of a RCPT to somebody elsewhere."""
        talk.line("MAIL FROM:<sender@lab.test>")
        return talk.line("RCPT TO:<somebody@relay.test>").code

    def login(self, mechanism, user, password):
        """(the reply to AUTH, the code of a RCPT after it)"""
        with self.connect() as talk:
            reply = exchanges.authenticate(talk, mechanism, user, password)
            return reply, self.recipient(talk)

    def test_each_mechanism_is_offered_once(self):
        with self.connect() as talk:
            offered = [line for line in talk.hello.text.splitlines() if "AUTH " in line]
            self.assertEqual(sorted(offered[0].split()[1:]), sorted(MECHANISMS))

    def test_every_mechanism(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                reply, recipient = self.login(mechanism, USER, PASSWORD)
                self.assertEqual((reply.code, recipient), (235, 250), reply)

    def test_no_relay_without_a_login(self):
        with self.connect() as talk:
            self.assertEqual(self.recipient(talk), 550, talk.dialogue())

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

    def outage_replies(self, mechanism):
        """What the known and the unknown are told while there is no store: the same."""
        replies = {self.login(mechanism, user, PASSWORD)[0].text for user in (USER, "nosuchuser")}
        self.assertEqual(len(replies), 1, replies)
        return min(replies)
