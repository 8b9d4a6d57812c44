# SPDX-License-Identifier: BSD-2-Clause
"""What README's "Day to day" tells a postmaster to type, beside a chrooted Postfix that goes on.

The accounts come from a sasldb, lose what is as good as a password, get it back for a printer, are
kept in a backup, restored on "another machine" and sealed under a new key.
"""

import hashlib
import os
import re
import shutil
import subprocess
import time
import unittest

import harness
import postfix
import store
from exchanges import authenticate
from smtp_talk import SmtpTalk
from store import must

REALM = "example.org"
ALICE = ("alice", "a:b,c $x#y \"q\" 'z' \\w")
PRINTER = ("printer", "old and deaf")
STRONG = ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN")
WEAK = ("CRAM-MD5", "DIGEST-MD5")
SECONDS = 60


class DayToDayTest(unittest.TestCase):
    def setUp(self):
        self.work = self.enterContext(harness.workdir.WorkDir())
        self.store, self.postfix = self.machine("one")
        database = self.work.join("sasldb2")
        for user, password in (ALICE, PRINTER):
            must(store.run(["saslpasswd2", "-f", database, "-p", "-c", "-u", REALM, user], password))
        must(self.store.tool("import", "--format", "sasldb", database))

    def machine(self, name, key=None):
        """A store of its own, with a key file that was there before if need be, and a Postfix."""
        made = store.LmdbStore(self.work, name)
        if key is not None:
            shutil.copy(key, made.key)
        made.create("--iterations", "4096")
        server = postfix.Postfix(
            self.work, {"smtpd": made.conf()}, made.plugin_path, name=name + "-postfix",
            settings={"smtpd_sasl_local_domain": REALM})
        self.enterContext(server)
        self.addCleanup(lambda: self.assertEqual(server.crashes(), []))
        return made, server

    def smtpds(self):
        return {pid for pid, name in self.postfix.processes() if name == "smtpd"}

    def reload(self):
        """Postfix's, and the end of the processes that were there before it."""
        before = self.smtpds()
        self.assertTrue(before)
        subprocess.run(["postfix", "-c", self.postfix.config, "reload"], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        deadline = time.monotonic() + SECONDS
        while before & self.smtpds():
            self.assertLess(time.monotonic(), deadline, "smtpd goes on after a reload")
            time.sleep(0.05)

    def check(self, account, code, mechanisms, server=None):
        """Every one of the mechanisms ends with this code for the account."""
        user, password = account
        for mechanism in mechanisms:
            with SmtpTalk((server or self.postfix).port) as talk:
                reply = authenticate(talk, mechanism, user, password)
                self.assertEqual(reply.code, code, (mechanism, user, talk.dialogue()))

    def test_moved_without_new_passwords(self):
        self.check(ALICE, 235, STRONG + WEAK)
        self.check(PRINTER, 235, STRONG + WEAK)

    def test_legacy_verifiers_for_one_account_only(self):
        must(self.store.tool("set", "--drop", "legacy", "--realm", REALM))
        self.check(ALICE, 235, STRONG)
        for account in (ALICE, PRINTER):
            self.check(account, 535, WEAK)
        must(self.store.passwd("-p", "-u", REALM, PRINTER[0], secret=PRINTER[1]))
        self.check(PRINTER, 235, STRONG + WEAK)
        self.check(ALICE, 535, WEAK)

    def test_one_digest_from_outside(self):
        """The only way in a store that is strict."""
        must(self.store.tool("set", "--drop", "legacy", "--realm", REALM))
        name = ("fax", "beep")
        ha1 = hashlib.md5(f"{name[0]}:{REALM}:{name[1]}".encode()).hexdigest()
        must(self.store.tool("import", "--format", "dovecot", "-",
                             secret=f"{name[0]}@{REALM}:{{DIGEST-MD5}}{ha1}\n"))
        self.check(name, 235, ["DIGEST-MD5"])
        self.check(name, 535, ["CRAM-MD5", "PLAIN", "SCRAM-SHA-256"])

    def test_restored_on_another_machine(self):
        backup = self.work.join("backup")
        must(self.store.tool("backup", backup))
        other, server = self.machine("two", key=self.store.key)
        self.check(ALICE, 535, STRONG + WEAK, server)
        must(other.tool("restore", backup))
        self.check(ALICE, 235, STRONG + WEAK, server)
        subprocess.run(["sed", "-i", "$!d", other.key], check=True)
        must(other.tool("check"))
        server.restart()
        self.check(ALICE, 235, STRONG + WEAK, server)

    def test_a_new_key(self):
        self.check(ALICE, 235, ["PLAIN"])
        must(self.store.tool("rekey"))
        self.check(ALICE, 235, STRONG + WEAK)
        self.reload()
        must(self.store.tool("rekey", "--retire"))
        with open(self.store.key, encoding="ascii") as file:
            self.assertEqual(len(file.read().splitlines()), 1)
        self.check(ALICE, 235, STRONG + WEAK)


class PostconfTest(unittest.TestCase):
    """The commands that README and README.Debian have for Postfix, on Debian's files as they come."""

    TEXTS = ("README.md", "debian/sasl-lmdb.README.Debian")
    STOCK = "/usr/share/postfix/master.cf.dist"

    def commands(self, path):
        with open(os.path.join(store.ROOT, path), encoding="utf-8") as file:
            found = re.findall(r"(?m)^    (postconf -(?:.*\\\n)*.*)$", file.read())
        self.assertTrue(found)
        return "\n".join(found)

    def postconf(self, *arguments):
        done = must(store.run(["postconf", "-c", self.config, *arguments]))
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def test_as_pasted(self):
        for path in self.TEXTS:
            work = self.enterContext(harness.workdir.WorkDir())
            self.config = work.mkdir("postfix", 0o755)
            shutil.copy(self.STOCK, os.path.join(self.config, "master.cf"))
            with open(os.path.join(self.config, "main.cf"), "w", encoding="ascii") as file:
                file.write("compatibility_level = 3.6\nsmtpd_tls_security_level = may\n"
                           "smtpd_relay_restrictions = permit_mynetworks defer_unauth_destination\n")
            here = f"postconf() {{ command postconf -c {self.config} \"$@\"; }}\n"
            for _ in range(2):
                done = must(store.run(["sh", "-euc", here + self.commands(path)]))
                self.assertEqual((done.stdout, done.stderr), ("", ""), path)
            settings = self.postconf("-n")
            for setting in ("smtpd_sasl_auth_enable = yes", "smtpd_tls_auth_only = yes",
                            "smtpd_tls_security_level = may", "smtpd_client_auth_rate_limit = 20",
                            "smtpd_relay_restrictions = permit_mynetworks,"
                            "permit_sasl_authenticated,reject_unauth_destination"):
                self.assertEqual(settings.count(setting), 1, (path, settings))
            self.assertTrue(any(line.startswith("smtpd_tls_cert_file") for line in settings), path)
            services = [line.split()[:2] for line in self.postconf("-M")]
            self.assertEqual(services.count(["submission", "inet"]), 1, path)
            self.assertIn("submission/inet/smtpd_tls_security_level = encrypt",
                          self.postconf("-P"), path)
            self.assertIn("smtp/inet/smtpd_sasl_auth_enable = no", self.postconf("-P"), path)


if __name__ == "__main__":
    harness.require_ours()
    harness.main("saslpasswd2")
