# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package: installed, used, upgraded, removed, purged, and (package_broken.py) broken off,
each time from the same machine, in a root that is thrown away. Whatever was done, afterwards the
stock plugins are as they were.
"""

import glob
import grp
import os
import pwd
import re
import shutil
import stat
import sys
import tempfile

import exchanges
import harness
import pluginset
import store
import throwaway
import workdir
from package import (
    KEY, LOCK, MECHANISMS, NAME, PASSWORD, STOCK_PACKAGE, STORE, PackageCase, content,
    diversions, forget_the_machines_own, mechanisms, must, newer, pack_again, picture, repack, run,
    state_of)
# unittest looks for test cases among the names of this file.
from package_broken import Failing, FailingLater, Killed  # noqa: F401
from postfix import HOSTNAME, Postfix
from saslauthd import Saslauthd
from smtp_talk import SmtpTalk

BUILD = os.environ["SASL_LMDB_BUILD"]
CMAKE = os.environ["SASL_LMDB_CMAKE"]
LINKS = os.path.join(store.ROOT, "tests", "check_links.py")
CONFFILES = ("/etc/fail2ban/filter.d/sasl-lmdb.conf", "/etc/fail2ban/jail.d/sasl-lmdb.conf")


class Installing(PackageCase):
    def test_lintian(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is missing: apt-get install lintian")
        output = must("lintian", "--fail-on", "error,warning", "--allow-root", self.deb)
        self.assertNotRegex(output, r"(?m)^[EW]:")

    def test_what_is_there(self):
        self.install()
        self.check_ours()
        account = pwd.getpwnam(NAME)
        self.assertLess(account.pw_uid, 1000)
        self.assertIn("nologin", account.pw_shell)
        group = grp.getgrnam("sasl").gr_gid
        for path, mode in ((STORE, 0o640), (LOCK, 0o660), (KEY, 0o640)):
            status = os.lstat(path)
            self.assertEqual(
                (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid),
                (mode, account.pw_uid, group), path)
        for path in map(os.path.dirname, (STORE, KEY)):
            status = os.lstat(path)
            self.assertEqual((stat.S_IMODE(status.st_mode), status.st_uid), (0o755, 0), path)
        for path in (*CONFFILES,
                     "/usr/share/bash-completion/completions/saslpasswd-lmdb",
                     "/usr/share/doc/sasl-lmdb/examples/saslpasswd.conf",
                     "/usr/share/man/man8/sasl-lmdb.8.gz"):
            self.assertTrue(os.path.exists(path), path)
        must(sys.executable, "-B", "/tmp/check_links.py", f"/usr/share/doc/{NAME}")
        must("sasl-lmdb", "check")
        self.add_alice()
        self.check_alice()
        for package in (NAME, STOCK_PACKAGE):
            self.assertEqual(must("dpkg", "-V", package), "")

    def test_examples_of_confinement(self):
        """What reads such files takes them: systemd the units, AppArmor's compiler the rules."""
        self.install()
        examples = f"/usr/share/doc/{NAME}/examples"
        with self.subTest("systemd"):
            if not shutil.which("systemd-analyze"):
                self.skipTest("systemd-analyze is missing: apt-get install systemd")
            units = tempfile.mkdtemp()
            shutil.copytree(f"{examples}/systemd", units, dirs_exist_ok=True)
            os.mkdir(f"{units}/server.service.d")
            os.rename(f"{units}/sasl-lmdb.conf", f"{units}/server.service.d/sasl-lmdb.conf")
            with open(f"{units}/server.service", "w", encoding="ascii") as unit:
                unit.write("[Service]\nExecStart=true\nProtectSystem=strict\n")
            names = [f"{units}/{name}" for name in
                     ("server.service", "sasl-lmdb-upgrade.service", "sasl-lmdb-upgrade.timer")]
            # Units of the machine's own that these need may have faults of theirs.
            self.assertNotRegex(run("systemd-analyze", "verify", "--man=no", *names).stdout,
                                r"sasl-lmdb|server\.service")
        with self.subTest("AppArmor"):
            if not shutil.which("apparmor_parser"):
                self.skipTest("apparmor_parser is missing: apt-get install apparmor")
            with open(f"{examples}/apparmor/{NAME}", encoding="utf-8") as file:
                rules = file.read()
            for text in (rules, rules.replace("#capability", "capability")):
                must("apparmor_parser", "--skip-kernel-load", "--skip-cache",
                     secret=f"profile server /usr/sbin/server {{\n{text}\n}}\n")

    def test_sites_log_in_as_before(self):
        """One on saslauthd, one on sasldb; then one on the new store beside them."""
        with workdir.WorkDir() as work:
            self.sites(work)

    def sites(self, work):
        sasldb = store.SasldbStore(work)
        sasldb.add("alice", HOSTNAME, PASSWORD)
        confs = {
            "saslauthd": "pwcheck_method: saslauthd\nsaslauthd_path: /run/saslauthd/mux\n"
                         "mech_list: PLAIN LOGIN\n",
            "sasldb": sasldb.conf(),
            "store": f"pwcheck_method: auxprop\nauxprop_plugin: lmdb\n"
                     f"mech_list: {store.MECHANISMS}\n",
        }
        services = {name: {"smtpd_sasl_path": name} for name in ("saslauthd", "sasldb")}
        postfix = Postfix(work, confs, services=services)
        sasldb.into_jail(postfix.queue)
        with Saslauthd(postfix.queue, {("bob", PASSWORD)}), postfix:
            before = self.logins(postfix)
            self.assertEqual(before["saslauthd", "PLAIN", "bob", PASSWORD], 235)
            self.assertEqual(before["sasldb", "SCRAM-SHA-256", "alice", PASSWORD], 235)
            self.install()
            postfix.restart()
            self.assertEqual(self.logins(postfix), before)

            must("saslpasswd-lmdb", "-p", "-c", "-u", HOSTNAME, "carol", secret=PASSWORD)
            second = Postfix(work, confs, services={"store": {"smtpd_sasl_path": "store"}},
                             name="second")
            with second:
                for mechanism in exchanges.MECHANISMS:
                    self.assertEqual(self.login(second, "store", mechanism, "carol", PASSWORD), 235)
                    self.assertEqual(self.login(second, "store", mechanism, "carol", "x"), 535)
            self.assertEqual(second.crashes(), [])

            must("dpkg", "--purge", NAME)
            postfix.restart()
            self.assertEqual(self.logins(postfix), before)
        self.assertEqual(postfix.crashes(), [])

    def login(self, postfix, service, mechanism, user, password):
        with SmtpTalk(postfix.ports[service]) as talk:
            return exchanges.authenticate(talk, mechanism, user, password).code

    def logins(self, postfix):
        asked = [("saslauthd", m, u, p) for m in ("PLAIN", "LOGIN")
                 for u, p in (("bob", PASSWORD), ("bob", "wrong"), ("alice", PASSWORD))]
        asked += [("sasldb", m, u, p) for m in exchanges.MECHANISMS
                  for u, p in (("alice", PASSWORD), ("alice", "wrong"), ("bob", PASSWORD))]
        return {question: self.login(postfix, *question) for question in asked}

    def test_a_store_that_is_there_stays(self):
        self.install()
        self.add_alice()
        output = must("dpkg", "--purge", NAME)
        self.assertIn("/var/lib/sasl-lmdb", output)
        self.check_stock()
        before = [content(path) for path in (STORE, KEY)]
        self.install()
        self.assertEqual([content(path) for path in (STORE, KEY)], before)
        self.check_alice()

    def test_a_link_to_a_store_that_is_not_mounted_stays(self):
        os.makedirs(os.path.dirname(STORE))
        os.symlink("/srv/not-mounted/users.mdb", STORE)
        self.install()
        self.check_ours()
        self.assertEqual(os.readlink(STORE), "/srv/not-mounted/users.mdb")
        self.assertFalse(os.path.exists(KEY))

    def test_a_store_that_cannot_be_made(self):
        """Something is in the way; mended, configuring goes on."""
        os.makedirs(LOCK)
        self.assertNotEqual(run("dpkg", "-i", self.deb).returncode, 0)
        self.assertEqual(state_of(), "half-configured")
        os.rmdir(LOCK)
        must("dpkg", "--configure", NAME)
        self.check_ours()
        self.assertEqual(self.accounts(), [])


class Upgrading(PackageCase):
    def setUp(self):
        self.install()
        self.add_alice()

    def test_over_itself_and_to_a_newer_one(self):
        before = [content(path) for path in (STORE, KEY)]
        for deb in (self.deb, repack(self.deb, "/tmp/newer.deb", newer), self.deb):
            self.install(deb)
            self.check_ours()
            self.assertEqual([content(path) for path in (STORE, KEY)], before)

    def test_a_deleted_store_is_not_made_again(self):
        for path in (STORE, LOCK, KEY):
            os.unlink(path)
        self.install()
        self.check_ours()
        self.assertFalse(os.path.exists(STORE))

    def test_removed_and_installed_again(self):
        must("dpkg", "--remove", NAME)
        self.check_stock()
        self.assertEqual(state_of(), "config-files")
        self.install()
        self.check_ours()
        self.check_alice()

    def test_what_the_administrator_changed_stays(self):
        """His version of a configuration file, one that he deleted, a mode of a directory."""
        changed, deleted = CONFFILES
        with open(changed, "a", encoding="ascii") as file:
            file.write("# mine\n")
        mine = content(changed)
        os.unlink(deleted)
        os.chmod(os.path.dirname(STORE), 0o750)

        def changed_conffiles(root):
            for path in CONFFILES:
                with open(root + path, "a", encoding="ascii") as file:
                    file.write("# theirs\n")
        must("dpkg", "--force-confold", "-i",
             repack(self.deb, "/tmp/newer.deb", newer, changed_conffiles))
        for _ in range(2):
            self.assertEqual(content(changed), mine)
            self.assertFalse(os.path.exists(deleted))
            self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(STORE)).st_mode), 0o750)
            must("dpkg", "--remove", NAME)
        must("dpkg", "--purge", NAME)
        self.assertFalse(os.path.exists(changed))

    def test_other_stores_stay_as_they_are(self):
        """One of somebody's own, one beside the package's, and tickets; whatever dpkg does."""
        own = tempfile.mkdtemp(dir="/srv")
        os.chmod(own, 0o755)
        beside = os.path.dirname(STORE)
        for store_path, key in ((f"{own}/users.mdb", f"{own}/key"),
                                (f"{beside}/other.mdb", "/etc/sasl-lmdb/other")):
            must("sasl-lmdb", "-f", store_path, "-k", key, "init", "--owner", "nobody")
        must("sasl-lmdb", "set", "--upgrade")
        directories = (own, beside, os.path.dirname(KEY))
        before = [picture(directory) for directory in directories]
        for command in (("-i", self.deb), ("-i", repack(self.deb, "/tmp/newer.deb", newer)),
                        ("--remove", NAME), ("-i", self.deb), ("--purge", NAME)):
            output = must("dpkg", *command)
            self.assertEqual([picture(directory) for directory in directories], before, command)
        for directory in directories[1:]:
            self.assertIn(f"sasl-lmdb: kept: {directory}", output)


class StockPackage(PackageCase):
    """libsasl2-modules comes, goes and changes while ours is there."""

    def test_upgraded_and_missing(self):
        old, new = (pack_again(STOCK_PACKAGE, suffix) for suffix in ("+old", "+older"))
        self.install()
        must("dpkg", "-i", new)
        self.check_ours()
        must("dpkg", "-i", old)
        must("dpkg", "--purge", "--force-depends", STOCK_PACKAGE)
        for name in pluginset.REPLACED:
            self.assertFalse(os.path.lexists(self.plugin(name) + ".distrib"))
        for side in mechanisms():
            self.assertEqual([side.count(m) for m in MECHANISMS], [1] * len(MECHANISMS))
        must("dpkg", "--purge", NAME)
        self.assertEqual(
            [n for n in os.listdir(self.directory) if re.match("lib(plain|scram|sasllmdb)", n)], [])
        self.install()
        self.assertEqual(len(diversions()), len(pluginset.REPLACED))
        must("dpkg", "-i", old)
        self.check_ours()


def build():
    """Makes the package with the target an administrator would use."""
    for program, package in (("unshare", "util-linux"), ("dpkg-buildpackage", "dpkg-dev"),
                             ("dh", "debhelper"), ("saslpluginviewer", "sasl2-bin")):
        if not shutil.which(program):
            harness.skip(f"{program} is missing: apt-get install {package}")
    if state_of(STOCK_PACKAGE) != "installed":
        harness.skip(f"{STOCK_PACKAGE} is missing: apt-get install {STOCK_PACKAGE}")
    if not throwaway.is_possible():
        harness.skip("this machine allows no namespaces and overlays")
    for old in glob.glob(f"{BUILD}/{NAME}_*.deb"):
        os.unlink(old)
    output = run(CMAKE, "--build", BUILD, "--target", "package")
    if output.returncode != 0:
        sys.exit(output.stdout)


if __name__ == "__main__":
    harness.require("saslauthd", "saslpasswd2")
    if not throwaway.is_inside():
        build()
        throwaway.restart_inside()
    throwaway.enter([*glob.glob(f"{BUILD}/{NAME}_*.deb"), LINKS])
    forget_the_machines_own()
    harness.main("saslauthd", "saslpasswd2")
