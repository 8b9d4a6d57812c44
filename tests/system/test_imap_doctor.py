# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb doctor at Cyrus IMAP as Debian installs it, in a root that is thrown away: silent where
all is well; and for each thing that is wrong the commands it prints are run as they are, whereupon it
is silent again and somebody can log in as before."""

import contextlib
import glob
import imaplib
import json
import os
import shutil
import socket
import ssl
import subprocess
import unittest

import debiancyrus
import exchanges
import harness
import imapd
import store
import throwaway
import workdir
from debiancyrus import set_options
from package import KEY, LOCK, STORE, forget_the_machines_own, must

INSTALLED = os.environ.get("SASL_LMDB_INSTALLED", "/usr/local/lib/sasl2")
REALM, USER, PASSWORD = "example.org", "alice", "Tr0ub4dor&3"
NAME = f"{USER}@{REALM}"
CERTIFICATE, PRIVATE = "/etc/ssl/certs/mail.pem", "/etc/ssl/private-mail.key"
SECONDS = 30
# How somebody can log in.
LOGIN, PLAIN, SCRAM = "LOGIN command", "PLAIN", "SCRAM-SHA-256"
ALL = {LOGIN, PLAIN, SCRAM}

SOUND = {
    "servername": "mail.example.org",
    "loginrealms": REALM,
    "allowplaintext": "no",
    "tls_server_cert": CERTIFICATE,
    "tls_server_key": PRIVATE,
    "failedloginpause": "0",
    "sasl_pwcheck_method": "auxprop",
    "sasl_auxprop_plugin": "lmdb",
    "sasl_mech_list": "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256",
    "sasl_lmdb_channel_binding": "none",
}


class DoctorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = cls.enterClassContext(workdir.WorkDir())
        must("adduser", "--system", "--group", "sasl-lmdb")
        debiancyrus.only_installed_services()
        must("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-subj",
             "/CN=mail.example.org", "-keyout", PRIVATE, "-out", CERTIFICATE)
        cls.before = debiancyrus.Snapshot(cls.work.mkdir("before", 0o755))

    def setUp(self):
        self.addCleanup(self.before.restore)
        self.server = debiancyrus.DebianCyrus(self.enterContext(workdir.WorkDir()))
        self.addCleanup(self.server.stop)
        shutil.chown(PRIVATE, "cyrus")

    def make_store(self, *options):
        for path in map(os.path.dirname, (STORE, KEY)):
            shutil.rmtree(path, ignore_errors=True)
            self.addCleanup(shutil.rmtree, path, True)
            os.mkdir(path)
            os.chmod(path, 0o755)
        must("sasl-lmdb", "init", "--group", "sasl", *options)
        self.add_account()

    def add_account(self):
        must("saslpasswd-lmdb", "-p", "-c", "-u", REALM, USER, secret=PASSWORD)

    def make_sound(self, *options):
        self.make_store(*options)
        set_options(**SOUND)
        with open(debiancyrus.DEFAULTS, "a", encoding="utf-8") as file:
            file.write(f"SASL_PATH={INSTALLED}\n")

    @contextlib.contextmanager
    def connection(self, tls):
        client = imaplib.IMAP4("127.0.0.1", debiancyrus.PORT, timeout=SECONDS)
        try:
            if tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                client.starttls(context)
            yield client
        finally:
            client.shutdown()

    def ways(self, user=NAME, tls=True):
        """How this user can log in."""
        found = set()
        for way in ALL:
            with contextlib.suppress(imaplib.IMAP4.error), self.connection(tls) as client:
                if way == LOGIN:
                    client.login(user, PASSWORD)
                else:
                    client.authenticate(
                        way, exchanges.responder(way, user, PASSWORD, "imap"))
                found.add(way)
        return found

    def findings(self):
        """What the doctor says: id -> command."""
        result = store.run(["sasl-lmdb", "doctor", "--json", "imap"])
        self.assertEqual(result.stderr, "")
        self.assertNotIn(PASSWORD, result.stdout)
        findings = json.loads(result.stdout)["findings"]
        serious = {f["id"]: f["mend"] for f in findings if f["severity"] != "note"}
        self.assertEqual(result.returncode, 1 if serious else 0, result.stdout)
        # IMAP's LOGIN command needs a verifier that counts as legacy.
        notes = {f["id"] for f in findings if f["severity"] == "note"}
        self.assertLessEqual(notes, {"legacy"} | self.notes, result.stdout)
        return serious

    notes = set()

    def run_command(self, command):
        """As somebody types it in who has read it."""
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, (command, done.stdout, done.stderr))

    def mend(self, expected, *wanted):
        """All this is found, and these commands mend it: somebody can log in in every way."""
        found = self.findings()
        self.assertEqual(set(found), {*wanted, *expected})
        for name in wanted:
            self.run_command(found[name])
        self.assertEqual(self.findings_after_restart(), {})
        self.assertEqual(self.ways(), ALL)

    def findings_after_restart(self):
        self.server.restart()
        return self.findings()


class Sound(DoctorTest):
    def test_silent(self):
        self.make_sound()
        self.assertEqual(self.findings(), {})
        self.server.start()
        self.assertEqual(self.ways(), ALL)
        self.assertEqual(self.findings(), {})
        self.assertEqual(self.ways(tls=False), {SCRAM})

    def test_silent_on_accounts_of_the_machine(self):
        """A name without a realm, as saslpasswd-lmdb makes it without -u, is of the machine's."""
        self.make_sound()
        set_options(servername=None, loginrealms=None)
        must("saslpasswd-lmdb", "-d", "-u", REALM, USER)
        must("saslpasswd-lmdb", "-p", "-c", USER, secret=PASSWORD)
        self.server.start()
        self.assertEqual(self.ways(USER), ALL)
        self.assertEqual(self.findings(), {})
        self.assertIn(socket.gethostname().lower(), must("sasl-lmdb", "list", "--plain"))

    def test_from_the_file_that_debian_installs(self):
        """Nothing but what the doctor says, until it says nothing; then somebody can log in."""
        self.notes = {"plugin-noise", "mech-plus", "store-root"}
        for directory in map(os.path.dirname, (STORE, KEY)):
            self.addCleanup(shutil.rmtree, directory, True)
        self.addCleanup(self.remove_certificate)
        said = []
        for _ in range(6):
            found = self.findings()
            if not found:
                break
            said.append(set(found))
            if "no-accounts" in found:
                self.add_account()
                del found["no-accounts"]
            for command in found.values():
                self.run_command(command)
        self.assertEqual(found, {}, said)
        self.assertIn("store-none", said[0])
        self.server.start()
        self.assertEqual(self.findings(), {})
        self.assertEqual(self.ways(), ALL, said)
        self.assertEqual(self.ways(tls=False) - {SCRAM}, set())

    def remove_certificate(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink("/etc/ssl/cyrus-imapd.pem")


class Broken(DoctorTest):
    def setUp(self):
        super().setUp()
        self.make_sound()

    def broken(self, ways=frozenset(), tls=True, **options):
        """Starts the server with these options, and sees that only this is left to log in."""
        set_options(**options)
        self.server.start()
        self.assertEqual(self.ways(tls=tls), ways)

    def test_saslauthd_left(self):
        self.broken({SCRAM}, sasl_pwcheck_method="saslauthd")
        self.mend({"saslauthd-socket"}, "pwcheck")

    def test_another_store_left(self):
        self.broken(sasl_auxprop_plugin="sasldb")
        self.mend({"auxprop-unknown"}, "not-ours")

    def test_key_unreadable(self):
        os.chmod(KEY, 0o600)
        self.broken()
        self.mend(set(), "key-unreachable")

    def test_key_open_to_others(self):
        os.chmod(KEY, 0o644)
        self.broken()
        self.mend(set(), "key-exposed")

    def test_not_in_the_group(self):
        must("gpasswd", "-d", "cyrus", "sasl")
        self.broken()
        self.mend({"data-unreachable", "lock-unreachable"}, "key-unreachable")

    def test_in_the_group_since_the_start(self):
        must("gpasswd", "-d", "cyrus", "sasl")
        self.broken()
        must("usermod", "-aG", "sasl", "cyrus")
        with self.connection(tls=False):  # an imapd that is there
            self.mend(set(), "groups-stale")

    def test_lock_file_lost(self):
        os.unlink(LOCK)
        self.broken()
        self.mend(set(), "lock-missing")

    def test_mechanism_of_nobody(self):
        self.broken({LOGIN}, sasl_mech_list="KERBEROS_V4")
        self.mend({"mech-nobody"}, "mech-none")

    def test_mechanism_of_nobody_beside_others(self):
        self.broken({LOGIN, PLAIN}, sasl_mech_list="PLAIN LOGIN SCRAMSHA256 OTP")
        found = self.findings()
        self.assertEqual(set(found), {"mech-nobody"})
        self.run_command(found["mech-nobody"])
        self.assertEqual(self.findings_after_restart(), {})
        self.assertEqual(self.ways(), ALL)

    def test_realm_denied(self):
        self.broken(loginrealms="example.net")
        self.mend(set(), "imap-realm")

    def test_two_realms_denied(self):
        must("saslpasswd-lmdb", "-p", "-c", "-u", "example.net", "bob", secret=PASSWORD)
        self.broken(loginrealms=None)
        self.mend(set(), "imap-realm")
        self.assertEqual(self.ways("bob@example.net"), ALL)

    def test_realm_that_is_the_default_domain(self):
        self.broken(loginrealms=None, virtdomains="userid", defaultdomain=REALM)
        self.mend(set(), "imap-default-domain")
        self.assertEqual(self.ways(USER), ALL)

    def test_passwords_without_tls(self):
        self.broken(ALL, tls=False, allowplaintext="yes")
        self.mend(set(), "imap-plaintext")
        self.assertEqual(self.ways(tls=False), {SCRAM})

    def test_passwords_without_tls_and_no_certificate(self):
        self.addCleanup(os.unlink, "/etc/ssl/cyrus-imapd.pem")
        self.broken(ALL, tls=False, allowplaintext="yes", tls_server_cert=None,
                    tls_server_key=None)
        self.mend(set(), "imap-plaintext")
        self.assertEqual(self.ways(tls=False), {SCRAM})

    def test_no_passwords_without_tls_and_no_key(self):
        self.addCleanup(os.unlink, "/etc/ssl/cyrus-imapd.pem")
        self.broken({SCRAM}, tls=False, tls_server_key=None)
        self.mend(set(), "imap-no-plaintext")

    def test_certificate_missing(self):
        self.addCleanup(os.unlink, "/etc/ssl/cyrus-imapd.pem")
        self.broken(tls_server_cert="/etc/ssl/certs/nowhere.pem")
        self.mend(set(), "imap-certificate")

    def test_certificate_s_key_unreadable(self):
        shutil.chown(PRIVATE, "root")
        self.broken()
        self.mend(set(), "imap-certificate")

    def test_store_missing(self):
        for path in map(os.path.dirname, (STORE, KEY)):
            shutil.rmtree(path)
        self.broken()
        found = self.findings()
        self.assertEqual(set(found), {"store-missing"})
        self.run_command(found["store-missing"])
        self.add_account()
        self.assertEqual(self.findings_after_restart(), {})
        self.assertEqual(self.ways(), ALL)

    def test_store_lost_and_a_backup_there(self):
        backup = self.server.base + "/backup"
        must("sasl-lmdb", "backup", backup)
        os.unlink(STORE)
        self.broken()
        found = self.findings()
        self.assertEqual(set(found), {"store-missing"})
        self.run_command(found["store-missing"])
        must("sasl-lmdb", "restore", backup)
        self.assertEqual(self.findings_after_restart(), {})
        self.assertEqual(self.ways(), ALL)

    def test_path_mistyped(self):
        self.broken(sasl_lmdb_path=STORE.replace("users", "user"))
        self.mend(set(), "store-misnamed")

    def test_option_twice(self):
        set_options(sasl_mech_list="PLAIN LOGIN")
        with open(debiancyrus.CONF, "a", encoding="utf-8") as file:
            file.write("sasl_mech_list: PLAIN LOGIN SCRAM-SHA-256\n")
        with self.assertRaises(RuntimeError):
            self.server.start()
        self.mend(set(), "conf-again")

    def test_plugins_not_found(self):
        text = debiancyrus.text_of(debiancyrus.DEFAULTS)
        debiancyrus.write(debiancyrus.DEFAULTS, text.replace(f"SASL_PATH={INSTALLED}\n", ""))
        self.notes = {"plugin-noise"}
        self.broken()
        found = self.findings()
        self.notes = set()
        self.assertEqual(set(found), {"plugin-missing", "mech-stock"})
        self.run_command(found["plugin-missing"])
        self.assertEqual(self.findings_after_restart(), {})
        self.assertEqual(self.ways(), ALL)

    def test_plugins_found_after_a_restart(self):
        defaults = debiancyrus.text_of(debiancyrus.DEFAULTS)
        debiancyrus.write(debiancyrus.DEFAULTS,
                          defaults.replace(f"SASL_PATH={INSTALLED}\n", ""))
        self.broken()
        debiancyrus.write(debiancyrus.DEFAULTS, defaults)
        with self.connection(tls=False):
            self.mend(set(), "sasl-path-not-arrived")


if __name__ == "__main__":
    imapd.require()
    if not throwaway.is_inside():
        if not throwaway.is_possible():
            harness.skip("this machine allows no namespaces and overlays")
        throwaway.restart_inside()
    plugins = glob.glob(f"{store.PLUGINS}/*.so")
    tools = [os.path.join(store.TOOLS, name) for name in ("sasl-lmdb", "saslpasswd-lmdb")]
    throwaway.enter([*plugins, *tools, os.environ["SASL_LMDB_SYSLOG"]])
    forget_the_machines_own()
    for directory, files in ((INSTALLED, plugins), ("/usr/local/sbin", tools)):
        os.makedirs(directory, exist_ok=True)
        for path in files:
            shutil.copy(os.path.join("/tmp", os.path.basename(path)), directory)
    for left in ("/etc/sasldb2", "/etc/saslauthd.conf", "/run/saslauthd/cache.mmap"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(left)
    debiancyrus.write("/usr/local/sbin/systemctl", debiancyrus.SYSTEMCTL)
    os.chmod("/usr/local/sbin/systemctl", 0o755)
    harness.run_tests()
