# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb doctor at a private Postfix as the other tests use it: real postconf, real plugins,
real smtpd processes, right and wrong. What it says has to fit what a login gets."""

import contextlib
import json
import os
import shutil
import smtplib
import ssl
import subprocess
import time

import harness
import postfix
import store

# What depends on the machine the test runs on, and not on this Postfix.
AROUND = {"fail2ban-off", "fail2ban-blind", "fail2ban-twice", "fail2ban-filter", "sasldb-left",
          "saslauthd-left", "selinux", "store-elsewhere", "plugin-writable"}
# The tests' own way: a store of root's, with every kind of verifier.
ALWAYS = {"store-root", "legacy"}


class Base(harness.PostfixCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Key and store in directories of their own, as a site should have them.
        elsewhere = os.path.join(cls.work.mkdir("keys", 0o755), "key")
        os.rename(cls.store.key, elsewhere)
        cls.store.key = elsewhere
        cls.set("smtpd_client_auth_rate_limit = 20")

    def setUp(self):
        self.postfix.write_sasl_conf("smtpd", self.store.conf())
        self.postfix.restart()

    @classmethod
    def set(cls, *parameters):
        subprocess.run(["postconf", "-c", cls.postfix.config, "-e", *parameters], check=True,
                       timeout=60)

    def findings(self):
        """What the doctor says."""
        result = store.run([os.path.join(store.TOOLS, "sasl-lmdb"), "doctor", "--json",
                            "--postfix", self.postfix.config, "postfix"])
        self.assertEqual(result.stderr, "")
        findings = json.loads(result.stdout)["findings"]
        bad = [finding for finding in findings if finding["severity"] != "note"]
        self.assertEqual(result.returncode, 1 if bad else 0, result.stdout)
        self.assertNotIn(self.PASSWORD, result.stdout)
        return findings

    def doctor(self):
        """The ids found."""
        return {finding["id"] for finding in self.findings()} - AROUND

    def mend(self, wanted):
        """Runs the command that the doctor has for this. Whether it restarts Postfix."""
        command = [f["mend"] for f in self.findings() if f["id"] == wanted][0]
        restart = " && systemctl restart postfix"  # that of the machine
        subprocess.run(["sh", "-c", command.removesuffix(restart)], check=True, timeout=60,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        if command.endswith(restart):
            self.postfix.restart()
        return command.endswith(restart)

    @contextlib.contextmanager
    def connection(self, service="smtp"):
        context = ssl.create_default_context(cafile=self.postfix.certificate)
        with smtplib.SMTP("localhost", self.postfix.ports[service], timeout=30) as smtp:
            smtp.starttls(context=context)
            smtp.ehlo()
            yield smtp

    def login(self, service="smtp"):
        """The reply code of a login with PLAIN."""
        with self.connection(service) as smtp:
            smtp.user, smtp.password = self.USER, self.PASSWORD
            try:
                return smtp.auth("PLAIN", smtp.auth_plain)[0]
            except smtplib.SMTPAuthenticationError as error:
                return error.smtp_code


class DoctorTest(Base):
    services = {"smtp": {"smtpd_tls_auth_only": "yes"}}

    @contextlib.contextmanager
    def away(self, path):
        """A file is not there for a while."""
        os.rename(path, path + ".away")
        try:
            self.postfix.restart()
            yield
        finally:
            os.rename(path + ".away", path)

    def test_right(self):
        self.assertEqual(self.login(), 235)
        self.assertEqual(self.doctor(), ALWAYS)

    def test_right_while_it_works(self):
        """A process that has the store open, seen from outside; its login goes on."""
        with self.connection() as smtp:
            self.assertEqual(self.doctor(), ALWAYS)
            smtp.user, smtp.password = self.USER, self.PASSWORD
            self.assertEqual(smtp.auth("PLAIN", smtp.auth_plain)[0], 235)

    def test_key_beside_the_store(self):
        beside = os.path.join(self.store.directory, "key")
        os.link(self.store.key, beside)
        self.addCleanup(os.unlink, beside)
        self.postfix.write_sasl_conf("smtpd", self.store.conf(lmdb_keyfile=beside))
        self.assertEqual(self.doctor(), ALWAYS | {"key-beside-store"})

    def test_store_missing(self):
        with self.away(self.store.path):
            self.assertEqual(self.login(), 454)
            self.assertEqual(self.doctor(), {"store-missing"})

    def test_lock_missing(self):
        with self.away(self.store.path + "-lock"):
            self.assertEqual(self.login(), 454)
            self.assertEqual(self.doctor(), {"lock-missing"})

    def test_key_exposed(self):
        os.chmod(self.store.key, 0o644)
        self.addCleanup(os.chmod, self.store.key, 0o600)
        self.postfix.restart()
        self.assertEqual(self.login(), 454)
        self.assertEqual(self.doctor(), {"store-root", "key-exposed"})

    def test_realm(self):
        self.set("smtpd_sasl_local_domain = lab.test")
        self.addCleanup(self.set, "smtpd_sasl_local_domain =")
        self.postfix.restart()
        self.assertEqual(self.login(), 535)
        self.assertEqual(self.doctor(), ALWAYS | {"realm"})

    def test_sasl_path_not_arrived(self):
        """A reload leaves the new SASL_PATH behind."""
        imported = subprocess.run(
            ["postconf", "-c", self.postfix.config, "-h", "import_environment"], check=True,
            capture_output=True, text=True, timeout=60).stdout.strip()
        moved = self.work.join("plugins")
        os.symlink(store.PLUGINS, moved)
        self.addCleanup(os.unlink, moved)
        self.set("import_environment = " + imported.replace(store.PLUGINS, moved))
        self.addCleanup(self.set, "import_environment = " + imported)
        subprocess.run(["postfix", "-c", self.postfix.config, "reload"], check=True, timeout=60,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        with self.connection():
            self.assertEqual(self.doctor(), ALWAYS | {"sasl-path-not-arrived"})
        self.postfix.restart()
        with self.connection():
            self.assertEqual(self.doctor(), ALWAYS)

    def test_open_relay(self):
        before = "permit_sasl_authenticated, reject_unauth_destination"
        self.addCleanup(self.set, "smtpd_relay_restrictions = " + before)
        for value, wanted in (("permit", "relay-unset"), ("reject", "permit-missing"),
                              ("check_client_access static:permit, reject_unauth_destination",
                               "open-relay")):
            self.set("smtpd_relay_restrictions = " + value)
            self.assertEqual(self.doctor(), ALWAYS | {wanted})
            self.assertEqual(self.mend(wanted), wanted != "permit-missing")
            self.assertEqual(self.doctor(), ALWAYS)

    def send_as(self, sender):
        """The reply code to a recipient, after a login."""
        with self.connection() as smtp:
            smtp.login(f"{self.USER}@{self.REALM}", self.PASSWORD)
            smtp.mail(sender)
            return smtp.rcpt("x@relay.test")[0]

    def check_senders(self, wanted):
        """An owner is refused until the command for this has been run; others are all along."""
        own = f"{self.USER}@{self.REALM}"
        self.postfix.restart()
        self.assertEqual(self.send_as(own), 553)
        self.assertEqual(self.doctor(), ALWAYS | {wanted})
        self.mend(wanted)
        self.assertEqual(self.doctor(), ALWAYS)
        self.postfix.restart()
        self.assertEqual(self.send_as(own), 250)
        self.assertEqual(self.send_as("bob@" + self.REALM), 553)

    def test_senders(self):
        self.set("smtpd_sender_restrictions = reject_sender_login_mismatch")
        self.addCleanup(self.set, "smtpd_sender_restrictions =", "smtpd_sender_login_maps =",
                        "smtpd_sasl_local_domain =")
        self.check_senders("sender-maps-unset")
        senders = os.path.join(self.postfix.config, "senders")
        with open(senders, "w", encoding="utf-8") as file:
            file.write(f"{self.USER}@{self.REALM} {self.USER}\nbob@{self.REALM} bob\n")
        subprocess.run(["postmap", "hash:" + senders], check=True, timeout=60)
        self.set("smtpd_sasl_local_domain = $myhostname",
                 "smtpd_sender_login_maps = hash:" + senders)
        self.check_senders("sender-owner")

    def test_senders_that_nobody_asks(self):
        self.set("smtpd_sender_login_maps = static:nobody",
                 "smtpd_sender_restrictions = permit_sasl_authenticated, "
                 "reject_sender_login_mismatch")
        self.addCleanup(self.set, "smtpd_sender_restrictions =", "smtpd_sender_login_maps =")
        self.postfix.restart()
        self.assertEqual(self.send_as("bob@" + self.REALM), 250)
        self.assertEqual(self.doctor(), ALWAYS | {"sender-maps-unused"})
        self.mend("sender-maps-unused")
        self.postfix.restart()
        self.assertEqual(self.send_as("bob@" + self.REALM), 553)
        self.assertEqual(self.doctor(), ALWAYS)

    def handshake(self, version):
        """Whether a client that has no other version gets TLS."""
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.postfix.port}", "-starttls",
             "smtp", "-cipher", "DEFAULT:@SECLEVEL=0", version], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=60).returncode == 0

    def test_old_tls(self):
        self.set("smtpd_tls_protocols = >=TLSv1", "tls_medium_cipherlist = DEFAULT:@SECLEVEL=2")
        self.addCleanup(self.set, "smtpd_tls_protocols = >=TLSv1.2")
        self.postfix.restart()
        self.assertFalse(self.handshake("-tls1"))
        self.assertEqual(self.doctor(), ALWAYS | {"tls-old-refused"})
        self.mend("tls-old-refused")
        self.postfix.restart()
        self.assertTrue(self.handshake("-tls1"))
        self.assertTrue(self.handshake("-tls1_2"))
        self.assertEqual(self.doctor(), ALWAYS)
        self.set("smtpd_tls_protocols = TLSv1.3")
        self.postfix.restart()
        self.assertFalse(self.handshake("-tls1_2"))
        self.assertEqual(self.doctor(), ALWAYS | {"tls-too-new"})

    def test_rate_limit(self):
        self.set("smtpd_client_auth_rate_limit = 0")
        self.assertEqual(self.doctor(), ALWAYS | {"rate-limit"})
        self.mend("rate-limit")
        self.assertEqual(self.doctor(), ALWAYS)

    def test_no_file_to_read(self):
        conf = os.path.join(self.postfix.config, "sasl", "smtpd.conf")
        os.rename(conf, conf + ".away")
        self.addCleanup(os.rename, conf + ".away", conf)
        self.assertIn("conf-missing", self.doctor())


class OptionsTest(Base):
    """On its own, as smtpd dies here."""

    services = DoctorTest.services

    @classmethod
    def tearDownClass(cls):
        harness.check_passwords_unlogged(cls.postfix.log.text(), cls.users)

    def test_security_options(self):
        """What excludes every mechanism ends smtpd; what excludes some is not offered."""
        both = "smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"
        self.addCleanup(self.set, *(f"{name} = noanonymous" for name in both))
        self.set(*(f"{name} = noanonymous, noplaintext" for name in both))
        self.postfix.restart()
        with self.connection() as smtp:
            self.assertEqual(set(smtp.esmtp_features["auth"].split()) & {"PLAIN", "LOGIN"}, set())
        self.assertEqual(self.doctor(), ALWAYS | {"mech-excluded"})
        self.mend("mech-excluded")
        self.postfix.restart()
        with self.connection() as smtp:
            self.assertLessEqual({"PLAIN", "LOGIN"}, set(smtp.esmtp_features["auth"].split()))
        self.assertEqual(self.doctor(), ALWAYS)
        self.set(f"{both[1]} = nodictionary")
        self.postfix.restart()
        with self.assertRaises(smtplib.SMTPServerDisconnected), self.connection():
            pass
        self.assertEqual(self.doctor(), ALWAYS | {"noplaintext"})
        self.mend("noplaintext")
        self.postfix.restart()
        self.assertEqual(self.login(), 235)


class ProcessesTest(Base):
    """What processes of Postfix go on with, in a jail or not, one for each service."""

    services = {"jailed": {"smtpd_tls_auth_only": "yes", postfix.PROCESS_LIMIT: "1"},
                "free": {"smtpd_tls_auth_only": "yes", postfix.PROCESS_LIMIT: "1",
                         postfix.CHROOT: "n"}}
    settings = {"max_idle": "10000s"}

    def logins(self):
        return {self.login(service) for service in self.services}

    def smtpds(self):
        return {pid for pid, name in self.postfix.processes() if name == "smtpd"}

    def wait(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def reload(self):
        """Those that are there go, each when it has seen it."""
        before = self.smtpds()
        subprocess.run(["postfix", "-c", self.postfix.config, "reload"], check=True, timeout=60,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.wait(lambda: not before & self.smtpds())

    def check_mend(self, wanted):
        """It is told, and over once its command has been run."""
        self.assertEqual(self.doctor(), ALWAYS | {wanted})
        before = self.smtpds()
        self.mend(wanted)
        self.wait(lambda: not before & self.smtpds())
        self.assertEqual(self.logins(), {235})
        self.assertEqual(self.doctor(), ALWAYS)

    def test_a_key_that_is_retired_at_once(self):
        self.assertEqual(self.logins(), {235})
        # A key's time is in seconds: whoever was started in the same one may know it.
        now = time.time()
        self.wait(lambda: time.time() > now + 6)
        store.must(self.store.tool("rekey", "--retire-now"))
        self.assertEqual(self.logins(), {454})
        self.check_mend("key-stale")

    def test_a_key_that_is_retired_in_time(self):
        self.assertEqual(self.logins(), {235})
        store.must(self.store.tool("rekey"))
        self.assertEqual(self.logins(), {235})
        self.assertEqual(self.doctor(), ALWAYS)
        self.reload()
        self.assertEqual(self.logins(), {235})
        store.must(self.store.tool("rekey", "--retire"))
        self.assertEqual(self.logins(), {235})
        self.assertEqual(self.doctor(), ALWAYS)

    def test_a_store_that_is_replaced(self):
        self.assertEqual(self.logins(), {235})
        old = self.store.path + ".old"
        os.rename(self.store.path, old)
        self.addCleanup(os.unlink, old)
        shutil.copy2(old, self.store.path)
        self.check_mend("store-replaced")

    def test_a_lock_file_that_is_replaced(self):
        self.assertEqual(self.logins(), {235})
        lock = self.store.path + "-lock"
        shutil.copy2(lock, lock + ".new")
        os.rename(lock + ".new", lock)
        self.check_mend("store-replaced")

    def test_what_could_not_be_opened(self):
        for spoil, mend in ((lambda: os.chmod(self.store.key, 0o644),
                             lambda: os.chmod(self.store.key, 0o600)),
                            (lambda: os.rename(self.store.path, self.store.path + ".away"),
                             lambda: os.rename(self.store.path + ".away", self.store.path))):
            spoil()
            self.postfix.restart()
            self.assertEqual(self.logins(), {454})
            mend()
            self.assertEqual(self.logins(), {454})
            self.check_mend("store-unopened")


if __name__ == "__main__":
    harness.require_ours()
    harness.main()
