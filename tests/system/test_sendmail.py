# SPDX-License-Identifier: BSD-2-Clause
"""A real sendmail on our store: plugins initialised as root, logins two forks later as RunAsUser."""

import os
import pwd
import unittest

import exchanges
import harness
import otherserver
import sendmail
from otherserver import MECHANISMS, PASSWORD, REALM, USER

SASL_UNAVAIL = -24


def status(pid, field):
    """Words of a line of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(line.split()[1:] for line in file if line.startswith(field + ":"))


class SendmailTest(otherserver.Logins, unittest.TestCase):
    kind = sendmail.Sendmail
    feature = "SASLv2"
    source = sendmail.STRANGER

    def test_who_looks_up(self):
        """Neither the process that loaded the plugins nor its child, and not root."""
        daemon = self.server.forked_pid()
        self.assertNotEqual(daemon, self.server.process.pid)
        since = self.server.log.mark()
        with self.connect() as talk:
            self.assertEqual(
                exchanges.authenticate(talk, "SCRAM-SHA-256", USER, "wrong").code, 535)
            line = self.server.log.wait_for("sasl-lmdb: .* reason=password", since)
            pid = int(line[1:].split("]")[0])
            self.assertEqual(int(status(pid, "PPid")[0]), daemon)
            account = str(pwd.getpwnam(sendmail.USER).pw_uid)
            self.assertEqual(status(pid, "Uid"), [account] * 4)
        self.assertEqual(status(daemon, "Uid"), ["0"] * 4)

    def test_changes_are_seen_at_once(self):
        self.store.add("carol", REALM, "first")
        self.assertEqual(self.login("PLAIN", "carol", "first")[0].code, 235)
        with self.connect() as talk:
            self.store.add("carol", REALM, "second")
            self.assertEqual(exchanges.authenticate(talk, "PLAIN", "carol", "first").code, 535)
            self.assertEqual(exchanges.authenticate(talk, "PLAIN", "carol", "second").code, 235)
        self.store.delete("carol", REALM)

    def check_outage(self, log):
        """sendmail has one reply for whatever goes wrong. That it was no wrong password it is told,
        and its log says."""
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                since = self.server.log.mark()
                self.assertEqual(self.outage_replies(mechanism), "535 5.7.0 authentication failed")
                self.server.log.wait_for(
                    rf"AUTH failure \({mechanism}\): .* \({SASL_UNAVAIL}\)", since)
                self.server.log.wait_for(f"sasl-lmdb: mech={mechanism} reason=store ", since)
                self.server.log.wait_for(f"sasl-lmdb: .*{log}", since)

    def test_store_unreadable(self):
        """Open in the first process, and not to be opened by those that need it."""
        os.chown(self.store.directory, 0, 0)
        try:
            self.check_outage("users.mdb: user .* may not search")
        finally:
            self.store.give_to(sendmail.USER)
        self.test_every_mechanism()

    def test_store_missing(self):
        aside = self.store.path + ".aside"
        os.rename(self.store.path, aside)
        try:
            self.check_outage("No such file")
        finally:
            os.rename(aside, self.store.path)
        self.test_every_mechanism()


if __name__ == "__main__":
    sendmail.require()
    harness.run_tests()
