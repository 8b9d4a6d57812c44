# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package: installed, used, upgraded, broken off, removed, purged, each time from the
same machine, in a root that is thrown away. Whatever was done, afterwards the stock plugins are as
they were.
"""

import glob
import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

import exchanges
import harness
import pluginset
import store
import throwaway
import workdir
from postfix import HOSTNAME, Postfix
from saslauthd import Saslauthd
from smtp_talk import SmtpTalk

BUILD = os.environ["SASL_LMDB_BUILD"]
CMAKE = os.environ["SASL_LMDB_CMAKE"]
NAME = "sasl-lmdb"
STOCK_PACKAGE = "libsasl2-modules"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5",
              "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")
STORE = "/var/lib/sasl-lmdb/users.mdb"
LOCK = STORE + "-lock"
KEY = "/etc/sasl-lmdb/key"
PASSWORD = "correct horse, battery"
SECONDS = 300


def run(*command, secret=""):
    """Runs a program; its result has both outputs in stdout."""
    return subprocess.run(
        command, input=secret, text=True, errors="backslashreplace", stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=SECONDS,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})


def must(*command, secret=""):
    """The output of a program that has to succeed."""
    result = run(*command, secret=secret)
    if result.returncode != 0:
        raise AssertionError(f"{command}: exit {result.returncode}\n{result.stdout}")
    return result.stdout


def state_of(package=NAME):
    """What dpkg thinks of the package, "" if it knows none."""
    return run("dpkg-query", "-W", "-f", "${db:Status-Status}", package).stdout \
        if run("dpkg-query", "-W", package).returncode == 0 else ""


def plugin_directory():
    return f"/usr/lib/{must('dpkg-architecture', '-qDEB_HOST_MULTIARCH').strip()}/sasl2"


def content(path):
    with open(path, "rb") as file:
        return file.read()


def picture(directory):
    """Every entry of a directory: kind, mode, owner, link target or content."""
    entries = {}
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        status = os.lstat(path)
        what = os.readlink(path) if os.path.islink(path) else content(path)
        entries[name] = (status.st_mode, status.st_uid, status.st_gid, what)
    return entries


def mechanisms(*variables):
    """(server side, client side): the mechanisms that libsasl2 has, in its order, with repeats."""
    sides = [must("env", *variables, "saslpluginviewer", side) for side in ("-s", "-c")]
    return [re.findall(r"SASL mechanism: ([^,]+),", side) for side in sides]


def ordered(directory):
    """The same, with nothing left to the order in which a file system lists a directory."""
    with tempfile.TemporaryDirectory() as links:
        pluginset.link(links, glob.glob(f"{directory}/*.so"))
        return mechanisms(f"SASL_PATH={links}")


def diversions():
    """The diversions of our package: path -> where to."""
    return dict(re.findall(r"^diversion of (\S+) to (\S+) by sasl-lmdb$",
                           must("dpkg-divert", "--list"), re.M))


def repack(deb, target, change):
    """A package like deb after change(directory it was unpacked to)."""
    shutil.rmtree("/tmp/unpacked", ignore_errors=True)
    must("dpkg-deb", "-R", deb, "/tmp/unpacked")
    change("/tmp/unpacked")
    must("dpkg-deb", "-Znone", "--root-owner-group", "-b", "/tmp/unpacked", target)
    return target


def edit(path, pattern, replacement):
    with open(path, encoding="utf-8") as file:
        text, count = re.subn(pattern, replacement, file.read(), flags=re.M)
    if count == 0:
        raise AssertionError(f"{path}: no {pattern!r}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def newer(root):
    edit(f"{root}/DEBIAN/control", r"^(Version: .*)$", r"\1+newer")


def pack_again(package, version_suffix):
    """An installed package as a .deb; only with nothing of it diverted."""
    root = f"/tmp/{package}{version_suffix}"
    for path in must("dpkg", "-L", package).split():
        if os.path.islink(path) or os.path.isfile(path):
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            shutil.copy2(path, root + path, follow_symlinks=False)
    os.mkdir(f"{root}/DEBIAN")
    fields = ("Package", "Version", "Architecture", "Maintainer", "Multi-Arch", "Description")
    control = must("dpkg-query", "-W", "-f", "".join(f"{f}: ${{{f}}}\n" for f in fields), package)
    with open(f"{root}/DEBIAN/control", "w", encoding="utf-8") as file:
        file.write(re.sub(r"^(Version: .*)$", rf"\1{version_suffix}", control, flags=re.M))
    must("dpkg-deb", "-Znone", "--root-owner-group", "-b", root, root + ".deb")
    return root + ".deb"


class PackageCase(unittest.TestCase):
    """Each test begins without the package and is followed by a purge."""

    @classmethod
    def setUpClass(cls):
        cls.deb = glob.glob(f"/tmp/{NAME}_*.deb")[0]
        cls.directory = plugin_directory()
        cls.stock = picture(cls.directory)
        cls.offered = mechanisms()
        cls.ordered = ordered(cls.directory)

    def tearDown(self):
        if state_of():
            run("dpkg", "--purge", "--force-remove-reinstreq", NAME)
        self.check_stock()
        for path in (STORE, LOCK, KEY):
            if os.path.lexists(path):
                os.unlink(path)
        for directory in ("/var/lib/sasl-lmdb", "/etc/sasl-lmdb"):
            shutil.rmtree(directory, ignore_errors=True)

    def plugin(self, name):
        return os.path.join(self.directory, name)

    def check_stock(self):
        """Not a trace of us among the plugins, and libsasl2 has what it had."""
        self.assertEqual(diversions(), {})
        self.assertEqual(picture(self.directory), self.stock)
        self.assertEqual(mechanisms(), self.offered)

    def check_ours(self):
        """All five diverted, ours in their place, each mechanism once, in the order there was."""
        self.assertEqual(state_of(), "installed")
        self.assertEqual(diversions(), {
            self.plugin(name): self.plugin(name) + ".distrib" for name in pluginset.REPLACED})
        now = picture(self.directory)
        for name in pluginset.REPLACED:
            self.assertIn(b"@(#)sasl-lmdb plugin ", now[name][-1], name)
            self.assertEqual(now[name + ".distrib"], self.stock[name])
        for side in mechanisms():
            self.assertEqual([side.count(m) for m in MECHANISMS], [1] * len(MECHANISMS), side)
        for before, after in zip(self.ordered, ordered(self.directory)):
            self.assertEqual(after, [m for m in before if m not in pluginset.STOCK_ONLY])

    def install(self, deb=None):
        return must("dpkg", "-i", deb or self.deb)

    def accounts(self):
        lines = must("sasl-lmdb", "list", "--plain").splitlines()
        return [line.split(":")[0] for line in lines]


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
        for path in ("/etc/fail2ban/filter.d/sasl-lmdb.conf",
                     "/etc/fail2ban/jail.d/sasl-lmdb.conf",
                     "/usr/share/bash-completion/completions/saslpasswd-lmdb",
                     "/usr/share/doc/sasl-lmdb/examples/saslpasswd.conf",
                     "/usr/share/man/man8/sasl-lmdb.8.gz"):
            self.assertTrue(os.path.exists(path), path)
        must("sasl-lmdb", "check")
        for package in (NAME, STOCK_PACKAGE):
            self.assertEqual(must("dpkg", "-V", package), "")

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
        must("saslpasswd-lmdb", "-p", "-c", "-u", "example.org", "alice", secret=PASSWORD)
        output = must("dpkg", "--purge", NAME)
        self.assertIn("/var/lib/sasl-lmdb", output)
        self.check_stock()
        before = [content(path) for path in (STORE, KEY)]
        self.install()
        self.assertEqual([content(path) for path in (STORE, KEY)], before)
        self.assertEqual(self.accounts(), ["alice@example.org"])
        must("sasl-lmdb", "verify", "alice@example.org", secret=PASSWORD + "\n")

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
        must("saslpasswd-lmdb", "-p", "-c", "-u", "example.org", "alice", secret=PASSWORD)

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
        self.assertEqual(self.accounts(), ["alice@example.org"])

    def test_failing(self):
        for name, change in BREAKAGES.items():
            with self.subTest(name):
                def broken(root, change=change):
                    newer(root)
                    change(root)
                result = run("dpkg", "-i", repack(self.deb, "/tmp/broken.deb", broken))
                self.assertNotEqual(result.returncode, 0, result.stdout)
                self.check_ours()
                self.assertEqual(self.accounts(), ["alice@example.org"])


def fail_before(root):
    edit(f"{root}/DEBIAN/preinst", r"^set -e$", "set -e\nexit 1")


def fail_after(root):
    edit(f"{root}/DEBIAN/preinst", r"^esac$", "esac\nexit 1")


def fail_midway(root):
    edit(f"{root}/DEBIAN/preinst", r"^( *)link=",
         r"\1[ $plugin != crammd5 ] || exit 1\n\1link=")


def fail_unpacking(root):
    """A file that another package has."""
    os.makedirs(f"{root}/usr/bin", exist_ok=True)
    with open(f"{root}/usr/bin/dpkg", "w", encoding="ascii"):
        pass


BREAKAGES = {"preinst, at once": fail_before, "preinst, halfway": fail_midway,
             "preinst, at its end": fail_after, "unpacking": fail_unpacking}


class Failing(PackageCase):
    def test_broken_packages(self):
        for name, change in BREAKAGES.items():
            with self.subTest(name):
                result = run("dpkg", "-i", repack(self.deb, "/tmp/broken.deb", change))
                self.assertNotEqual(result.returncode, 0, result.stdout)
                self.assertIn(state_of(), ("", "not-installed"), result.stdout)
                self.check_stock()
                self.assertFalse(os.path.exists(STORE))

    def test_after_a_removed_one(self):
        self.install()
        must("dpkg", "--remove", NAME)
        for name, change in BREAKAGES.items():
            with self.subTest(name):
                result = run("dpkg", "-i", repack(self.deb, "/tmp/broken.deb", change))
                self.assertNotEqual(result.returncode, 0, result.stdout)
                self.assertEqual(state_of(), "config-files", result.stdout)
                self.check_stock()

    def test_the_administrators_own_diversion(self):
        link = self.plugin("libdigestmd5.so")
        divert = ("dpkg-divert", "--local", "--rename", "--divert", link + ".mine")
        must(*divert, "--add", link)
        try:
            result = run("dpkg", "-i", self.deb)
            self.assertNotEqual(result.returncode, 0, result.stdout)
            self.assertIn(state_of(), ("", "not-installed"), result.stdout)
            self.assertEqual(diversions(), {})
            self.assertEqual(os.readlink(link + ".mine"), self.stock["libdigestmd5.so"][-1])
            self.assertFalse(os.path.lexists(link))
        finally:
            must(*divert, "--remove", link)


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


def forget_the_machines_own():
    """The root is a copy of a machine that may have what we install already."""
    if state_of():
        must("dpkg", "--purge", NAME)
    for directory in ("/var/lib/sasl-lmdb", "/etc/sasl-lmdb"):
        shutil.rmtree(directory, ignore_errors=True)
    if run("getent", "passwd", NAME).returncode == 0:
        must("userdel", NAME)
    if run("getent", "group", NAME).returncode == 0:
        must("groupdel", NAME)
    # The index of manual pages takes longer than all the rest.
    if os.path.exists("/var/lib/man-db/auto-update"):
        os.unlink("/var/lib/man-db/auto-update")


if __name__ == "__main__":
    harness.require("saslauthd", "saslpasswd2")
    if not throwaway.is_inside():
        build()
        throwaway.restart_inside()
    throwaway.enter(glob.glob(f"{BUILD}/{NAME}_*.deb"))
    forget_the_machines_own()
    harness.main("saslauthd", "saslpasswd2")
