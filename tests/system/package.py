# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package in a throw-away root: what dpkg and libsasl2 say of it, variants of it made on
the spot, and the test case that begins and ends without it."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import pluginset

NAME = "sasl-lmdb"
STOCK_PACKAGE = "libsasl2-modules"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5",
              "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")
STORE = "/var/lib/sasl-lmdb/users.mdb"
LOCK = STORE + "-lock"
KEY = "/etc/sasl-lmdb/key"
PASSWORD = "correct horse, battery"
SECONDS = 300


def run(*command, secret="", **env):
    """Runs a program; its result has both outputs in stdout."""
    return subprocess.run(
        command, input=secret, text=True, errors="backslashreplace", stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=SECONDS,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **env})


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


def repack(deb, target, *changes):
    """A package like deb after each change(directory it was unpacked to)."""
    shutil.rmtree("/tmp/unpacked", ignore_errors=True)
    must("dpkg-deb", "-R", deb, "/tmp/unpacked")
    for change in changes:
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
    """A change for repack(): the next version."""
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


def forget_the_machines_own():
    """The root is a copy of a machine that may have what we install already."""
    if state_of():
        must("dpkg", "--purge", NAME)
    for directory in map(os.path.dirname, (STORE, KEY)):
        shutil.rmtree(directory, ignore_errors=True)
    if run("getent", "passwd", NAME).returncode == 0:
        must("userdel", NAME)
    if run("getent", "group", NAME).returncode == 0:
        must("groupdel", NAME)
    # The index of manual pages takes longer than all the rest.
    if os.path.exists("/var/lib/man-db/auto-update"):
        os.unlink("/var/lib/man-db/auto-update")


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
        self.begin_anew()

    def begin_anew(self):
        """Purges the package, looks whether that left the stock plugins as they were, and removes
        the accounts that it kept."""
        if state_of():
            must("dpkg", "--purge", "--force-remove-reinstreq", NAME)
        self.check_stock()
        for directory in map(os.path.dirname, (STORE, KEY)):
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
        output = must("dpkg", "-i", deb or self.deb)
        self.assertNotIn("returned error", output)  # a script failed, and another made up for it
        return output

    def add_alice(self):
        must("saslpasswd-lmdb", "-p", "-c", "-u", "example.org", "alice", secret=PASSWORD)

    def check_alice(self):
        """She is the one account of the store, and her password is what it was."""
        self.assertEqual(self.accounts(), ["alice@example.org"])
        must("sasl-lmdb", "verify", "alice@example.org", secret=PASSWORD + "\n")

    def accounts(self):
        lines = must("sasl-lmdb", "list", "--plain").splitlines()
        return [line.split(":")[0] for line in lines]
