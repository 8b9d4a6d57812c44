# SPDX-License-Identifier: BSD-2-Clause
"""From /etc/shadow to SCRAM in a chrooted Postfix, and nobody gets a new password."""

import json
import os
import subprocess

import clients
import harness
from exchanges import authenticate
from smtp_talk import SmtpTalk
from store import must, run


class UpgradeTest(harness.PostfixCase):
    users = []
    PEOPLE = {"alice": harness.PostfixCase.PASSWORD, "bob": "another: one, with $ and #"}
    TICKET = 1624  # bytes

    @classmethod
    def sasl_confs(cls):
        """Between making the store and starting the servers: the accounts, and the ticket file."""
        lines = []
        for user, password in cls.PEOPLE.items():
            done = must(run(["openssl", "passwd", "-6", "-stdin"], password + "\n"))
            lines.append(f"{user}:{done.stdout.strip()}:19000:0:99999:7:::\n")
        must(cls.store.tool("import", "--format", "shadow", "-u", cls.REALM, "-",
                            secret="".join(lines)))
        must(cls.store.tool("set", "--upgrade"))
        return {"smtpd": cls.store.conf(lmdb_upgrade="yes")}

    def log_in(self, mechanism, user, password):
        """The reply code of one exchange."""
        with SmtpTalk(self.postfix.port) as talk:
            return authenticate(talk, mechanism, user, password).code

    def tickets(self):
        """How many wait."""
        return os.stat(self.store.path + "-tickets").st_size // self.TICKET

    def test_from_plain_to_scram(self):
        users = list(self.PEOPLE.items())
        for user, password in users:
            self.assertEqual(self.log_in("SCRAM-SHA-256", user, password), 535)
        with SmtpTalk(self.postfix.port) as talk:
            self.assertEqual(authenticate(talk, "PLAIN", "alice", "wrong").code, 535)
            self.assertEqual(authenticate(talk, "LOGIN", "nosuchuser", "wrong").code, 535)
        self.assertEqual(self.tickets(), 0)
        got = clients.python_smtplib(self.postfix, "PLAIN", *users[0], tls=False)
        self.assertEqual((got.ok, got.code), (True, 235), got.transcript)
        self.assertEqual(self.log_in("LOGIN", *users[1]), 235)
        self.assertEqual(self.tickets(), 2)
        done = must(self.store.tool("set", "--upgrade", "--json"))
        counts = json.loads(done.stdout)
        self.assertEqual((counts["upgraded"], counts["emptied"]), (2, True), counts)
        for user, password in users:
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN"):
                self.assertEqual(self.log_in(mechanism, user, password), 235, mechanism)
                self.assertEqual(self.log_in(mechanism, user, password + "x"), 535, mechanism)
        self.assertEqual(self.tickets(), 0)
        log = self.postfix.log.text()
        self.assertNotIn("lmdb_upgrade", log)
        harness.check_passwords_unlogged(
            log, [(user, self.REALM, password) for user, password in users])

    def test_the_jail_is_one(self):
        """smtpd has the file open for appending only, and could not open it by itself."""
        with SmtpTalk(self.postfix.port):
            found = False
            listed = subprocess.run(["pgrep", "-P", str(self.postfix.master_pid()), "smtpd"],
                                    capture_output=True, text=True, check=True)
            for pid in listed.stdout.split():
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if target.endswith("-tickets"):
                        found = True
                        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                            flags = int(file.read().split("flags:")[1].split()[0], 8)
                        self.assertEqual(flags & os.O_ACCMODE, os.O_WRONLY)
                        self.assertTrue(flags & os.O_APPEND)
                        self.assertNotEqual(os.readlink(f"/proc/{pid}/root"), "/")
            self.assertTrue(found)


if __name__ == "__main__":
    harness.require_ours()
    harness.main()
