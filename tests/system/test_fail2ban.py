# SPDX-License-Identifier: BSD-2-Clause
"""The fail2ban filter on the log of a real Postfix: every failed login once, an outage never."""

import os
import re
import shutil
import subprocess
import unittest

import harness
import store
from exchanges import MECHANISMS, authenticate
from smtp_talk import SmtpTalk

PACKAGING = os.path.join(store.ROOT, "packaging", "fail2ban")
FILTER = os.path.join(PACKAGING, "filter.d", "sasl-lmdb.conf")
STOCK_FILTER = "/etc/fail2ban/filter.d/postfix.conf"
COMMON = "/etc/fail2ban/filter.d/common.conf"
MODES = ("plugin", "postfix")
SECONDS = 60
VICTIM = "192.0.2.77"

# How lines of this kind begin, for those that no real server could be made to write.
PREFIX = "Nov 24 12:00:00 mail postfix/smtpd[4711]: warning: "
OURS = PREFIX + "SASL authentication failure: sasl-lmdb: mech=PLAIN reason=%s user=\"%s\" ip=%s"


def run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS,
                          stdin=subprocess.DEVNULL, check=False)


class Filter:
    """fail2ban-regex with one filter and its options."""

    def __init__(self, directory, name=FILTER, options="mode=plugin"):
        self.lines = os.path.join(directory, "lines")
        # Where the filter finds the distribution's common.conf, as it will when it is installed.
        filters = os.path.join(directory, "filter.d")
        os.makedirs(filters, exist_ok=True)
        for source in (COMMON, name):
            shutil.copy(source, filters)
        self.filter = f"{os.path.join(filters, os.path.basename(name))}[{options}]"

    def addresses(self, lines):
        """Those of the lines that count as a failure, in order."""
        with open(self.lines, "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        result = run(["fail2ban-regex", "--usedns", "no", "-o", "<ip>", self.lines, self.filter])
        if result.returncode not in (0, 1) or "Traceback" in result.stdout + result.stderr:
            raise AssertionError(f"{result.args}: {result.stdout}{result.stderr}")
        return result.stdout.split()


class Fail2banCase(harness.PostfixCase):
    # Every connection to "fresh" gets an smtpd that has just opened the store.
    services = {"smtp": {}, "fresh": {"max_use": "1"}}
    DISABLED = "dora"
    users = [(name, harness.PostfixCase.REALM, harness.PostfixCase.PASSWORD)
             for name in (harness.PostfixCase.USER, DISABLED)]

    def setUp(self):
        self.cases = []

    def filter(self, mode, **options):
        text = ",".join([f"mode={mode}", *(f'{key}="{value}"' for key, value in options.items())])
        return Filter(self.work.path, options=text)

    def attempt(self, mechanism, user, password, service="smtp"):
        """(code of the reply, the lines logged for it)."""
        since = self.postfix.log.mark()
        with SmtpTalk(self.postfix.ports[service]) as talk:
            reply = authenticate(talk, mechanism, user, password)
        self.postfix.log.wait_for("disconnect from ", since)
        return reply.code, self.postfix.log.text(since).splitlines()

    def expect(self, lines, count, address="127.0.0.1", modes=MODES):
        """Has check() look for this many failures, all of one address, in these lines."""
        self.cases.append((lines, [address] * count, modes))

    def check(self):
        """All cases at once, as fail2ban takes a second to start; one by one to name the bad."""
        for mode in MODES:
            cases = [case for case in self.cases if mode in case[2]]
            one = self.filter(mode)
            lines = [line for case in cases for line in case[0]]
            if one.addresses(lines) == [address for case in cases for address in case[1]]:
                continue
            for lines, addresses, _ in cases:
                with self.subTest(mode=mode, lines="\n".join(lines)):
                    self.assertEqual(one.addresses(lines), addresses)
            self.fail(f"mode {mode}: the cases are right one by one, but not together")


class LoginTest(Fail2banCase):
    def test_wrong_password_and_unknown_user(self):
        for mechanism in MECHANISMS:
            for user, password in ((self.USER, "wrong"), ("nosuchuser", self.PASSWORD)):
                with self.subTest(f"{mechanism} {user}"):
                    code, lines = self.attempt(mechanism, user, password)
                    self.assertEqual(code, 535)
                    self.expect(lines, 1)
        self.check()

    def test_success(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                code, lines = self.attempt(mechanism, self.USER, self.PASSWORD)
                self.assertEqual(code, 235)
                self.expect(lines, 0)
        self.check()

    def test_disabled(self):
        store.must(self.store.tool("disable", f"{self.DISABLED}@{self.REALM}"))
        code, lines = self.attempt("SCRAM-SHA-256", self.DISABLED, self.PASSWORD)
        self.assertEqual(code, 535)
        self.expect(lines, 1)
        self.check()

    def test_malformed(self):
        since = self.postfix.log.mark()
        with SmtpTalk(self.postfix.port) as talk:
            self.assertEqual(talk.line("AUTH PLAIN AAAA").code, 535)
        self.postfix.log.wait_for("disconnect from ", since)
        self.expect(self.postfix.log.text(since).splitlines(), 1)
        self.check()

    def test_no_attempt_is_no_failure(self):
        """A mechanism that is not offered, an exchange that the client ends, no login at all."""
        since = self.postfix.log.mark()
        with SmtpTalk(self.postfix.port) as talk:
            self.assertEqual(talk.line("AUTH GS2-NONE").code, 535)
            self.assertEqual(talk.line("AUTH LOGIN").code, 334)
            self.assertEqual(talk.line("*").code, 501)
            talk.line("MAIL FROM:<sender@lab.test>")
            self.assertEqual(talk.line("RCPT TO:<somebody@relay.test>").code, 554)
        self.postfix.log.wait_for("disconnect from ", since)
        lines = self.postfix.log.text(since).splitlines()
        self.assertIn("Relay access denied", "\n".join(lines))
        self.expect(lines, 0)
        self.check()

    def test_name_that_imitates_a_log_line(self):
        """Whatever a client calls itself: the address that counts is its own."""
        for user in (f'x" ip={VICTIM}', f'x" ip={VICTIM}: ', f"x[{VICTIM}]: SASL PLAIN",
                     f"x\nwarning: unknown[{VICTIM}]: SASL PLAIN authentication failed: no",
                     f'warning: sasl-lmdb: mech=A reason=password user="" ip={VICTIM}'):
            for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
                with self.subTest(f"{mechanism} {user}"):
                    code, lines = self.attempt(mechanism, user, "wrong")
                    self.assertEqual(code, 535)
                    self.expect(lines, 1)
        imitation = f"{OURS % ('password', 'x', VICTIM)}"[len("Nov 24 12:00:00 mail "):]
        since = self.postfix.log.mark()
        with SmtpTalk(self.postfix.port, hello=False) as talk:
            talk.line(f"HELO {imitation}")
            talk.line(f"MAIL FROM:<\"{imitation}\"@lab.test>")
            talk.line("RCPT TO:<somebody@relay.test>")
        self.postfix.log.wait_for("disconnect from ", since)
        self.expect(self.postfix.log.text(since).splitlines(), 0)
        self.check()

    def test_reasons_can_be_chosen(self):
        _, lines = self.attempt("PLAIN", "nosuchuser", "wrong")
        only = self.filter("plugin", reasons="password|disabled")
        self.assertEqual(only.addresses(lines), [])
        self.assertEqual(len(self.filter("plugin", reasons="unknown").addresses(lines)), 1)


class OutageTest(Fail2banCase):
    def test_store_missing(self):
        aside = self.store.path + ".aside"
        os.rename(self.store.path, aside)
        try:
            for mechanism in MECHANISMS:
                with self.subTest(mechanism):
                    code, lines = self.attempt(mechanism, self.USER, "wrong", "fresh")
                    self.assertEqual(code, 454)
                    self.assertIn("authentication failed", "\n".join(lines))
                    self.expect(lines, 0)
        finally:
            os.rename(aside, self.store.path)
        self.check()

    def test_damaged_under_a_running_server(self):
        """The store breaks after the server has opened it."""
        with SmtpTalk(self.postfix.port) as talk:
            authenticate(talk, "PLAIN", self.USER, "wrong")
            with open(self.store.path, "rb") as file:
                content = file.read()
            since = self.postfix.log.mark()
            os.truncate(self.store.path, 0)
            try:
                reply = authenticate(talk, "SCRAM-SHA-256", self.USER, "wrong")
            finally:
                with open(self.store.path, "r+b") as file:
                    file.write(content)
            self.assertEqual(reply.code, 454)
        self.postfix.log.wait_for("disconnect from ", since)
        self.expect(self.postfix.log.text(since).splitlines(), 0)
        self.check()


class LinesTest(Fail2banCase):
    """Lines as other set-ups write them."""

    def test_every_reason(self):
        counted = "unknown password disabled expired no-verifier protocol policy".split()
        for reason in counted:
            with self.subTest(reason):
                self.expect([OURS % (reason, "bob", "192.0.2.1")], 1, "192.0.2.1", ("plugin",))
        for reason in ("store", "", "passwordx", "xpassword"):
            with self.subTest(reason):
                self.expect([OURS % (reason, "bob", "192.0.2.1")], 0, modes=("plugin",))
        self.check()

    def test_addresses(self):
        for address, count in (("2001:db8::7", 1), ("198.51.100.9", 1), ("-", 0), ("", 0)):
            with self.subTest(address):
                self.expect([OURS % ("password", "bob", address)], count, address, ("plugin",))
                self.expect([OURS % ("protocol", "", address) + ": malformed message"], count,
                           address, ("plugin",))
        postfix = PREFIX + "host.example[2001:db8::7]:4711: SASL SCRAM-SHA-512-PLUS " \
            "authentication failed: authentication failure, sasl_username=bob"
        self.expect([postfix], 1, "2001:db8::7", ("postfix",))
        self.check()

    def test_other_daemons(self):
        line = 'Nov 24 12:00:00 mail %s: sasl-lmdb: mech=CRAM-MD5 reason=password ' \
            'user="bob" ip=192.0.2.1'
        for daemon in ("imaps[12]", "postfix-out/submission/smtpd[7]", "slapd[1]"):
            with self.subTest(daemon):
                self.expect([line % daemon], 1, "192.0.2.1", ("plugin",))
        self.check()

    def test_what_postfix_answers_454_to(self):
        for text in ("generic failure", "no memory available", "transient failure (e.g., weak key)",
                     "remote authentication server unavailable",
                     "Connection lost to authentication server"):
            with self.subTest(text):
                self.expect([PREFIX + "unknown[192.0.2.1]: SASL SCRAM-SHA-256 authentication "
                            "failed: " + text], 0, modes=("postfix",))
        self.check()

    def test_the_stock_filter_is_why(self):
        """If it knew SCRAM and left outages alone, this one could go."""
        stock = Filter(self.work.path, STOCK_FILTER, "mode=auth")
        line = PREFIX + "unknown[192.0.2.1]: SASL %s authentication failed: %s"
        self.assertEqual(len(stock.addresses([line % ("PLAIN", "authentication failure")])), 1)
        self.assertEqual(stock.addresses([line % ("SCRAM-SHA-256", "authentication failure")]), [])
        self.assertEqual(len(stock.addresses([line % ("PLAIN", "generic failure")])), 1)


class JailTest(unittest.TestCase):
    """The jail file beside the distribution's configuration."""

    def dump(self, local):
        with harness.workdir.WorkDir() as work:
            config = work.join("fail2ban")
            shutil.copytree("/etc/fail2ban", config)
            # What this machine has enabled is not the subject; nor where it keeps its log.
            shutil.rmtree(os.path.join(config, "jail.d"))
            shutil.copytree(os.path.join(PACKAGING, "jail.d"), os.path.join(config, "jail.d"))
            shutil.copy(FILTER, os.path.join(config, "filter.d"))
            log = work.join("mail.log")
            with open(log, "w", encoding="utf-8"):
                pass
            with open(os.path.join(config, "jail.local"), "w", encoding="utf-8") as file:
                file.write(f"[DEFAULT]\npostfix_backend = polling\npostfix_log = {log}\n{local}")
            result = run(["fail2ban-client", "-c", config, "-d"])
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            return result.stdout

    def test_enabled(self):
        text = self.dump("[sasl-lmdb]\nenabled = true\n")
        self.assertIn("['add', 'sasl-lmdb', 'polling']", text)
        self.assertRegex(text, r"'sasl-lmdb', 'addfailregex', .*reason=\(\?:unknown\|password")
        self.assertRegex(text, re.escape("'set', 'sasl-lmdb', 'maxretry', 10"))

    def test_the_journal(self):
        """As on a Debian 12 that has no rsyslog."""
        text = self.dump("[sasl-lmdb]\nenabled = true\nbackend = systemd\n")
        self.assertIn("['add', 'sasl-lmdb', 'systemd']", text)
        self.assertRegex(text, r"'sasl-lmdb', 'addjournalmatch', '_SYSTEMD_UNIT=postfix.service', "
                               r"'\+', '_SYSTEMD_UNIT=postfix@-.service'")
        self.assertNotIn("'sasl-lmdb', 'addlogpath'", text)

    def test_nothing_happens_unless_enabled(self):
        self.assertNotIn("'sasl-lmdb'", self.dump(""))

    def test_mode_in_the_jail(self):
        text = self.dump("[sasl-lmdb]\nenabled = true\nfilter = sasl-lmdb[mode=postfix]\n")
        self.assertIn("authentication failed: ", text)
        self.assertNotIn("reason=", text)


if __name__ == "__main__":
    harness.require_ours()
    harness.main("fail2ban-regex", "fail2ban-client")
