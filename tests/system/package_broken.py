# SPDX-License-Identifier: BSD-2-Clause
"""The Debian package when something goes wrong: maintainer scripts that fail, packages that cannot be
unpacked, dpkg killed. Afterwards there is the old version, whole, or none, and what was begun can be
finished or taken back. Run by test_package.py."""

import os

import package
from package import NAME, edit, must, newer, repack, run, state_of

# While this file is there, scripts fail that were changed so.
FAILS = "/tmp/fails"
KILL = "kill -KILL $PPID; exit 1"


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


def fail_configuring(root):
    edit(f"{root}/DEBIAN/postinst", r"^( *)# Only once", rf"\1[ ! -e {FAILS} ]\n\1# Only once")


def fail_before_removal(root):
    path = f"{root}/DEBIAN/prerm"
    with open(path, "w", encoding="ascii") as script:
        script.write(f"#!/bin/sh\n[ ! -e {FAILS} ]\n")
    os.chmod(path, 0o755)


def fail_after_removal(root):
    edit(f"{root}/DEBIAN/postrm", r"^( *)link=",
         rf"\1[ $plugin != crammd5 ] || [ ! -e {FAILS} ]\n\1link=")


def fail_in_postrm(argument):
    def change(root):
        edit(f"{root}/DEBIAN/postrm", r"^set -e$", f'set -e\n[ "$1" != {argument} ]')
    return change


def kill_after_diverting(root):
    edit(f"{root}/DEBIAN/preinst", r"^esac$", f"esac\n{KILL}")


def kill_before_old_files_go(root):
    edit(f"{root}/DEBIAN/postrm", r"^set -e$",
         f'set -e\nif [ "$1" = upgrade ] && [ -e {FAILS} ]; then {KILL}; fi')


def kill_configuring(root):
    edit(f"{root}/DEBIAN/postinst", r"^( *)# Only once", rf"{KILL}\n\1# Only once")


BREAKAGES = {"preinst, at once": fail_before, "preinst, halfway": fail_midway,
             "preinst, at its end": fail_after, "unpacking": fail_unpacking}


class BrokenCase(package.PackageCase):
    def tearDown(self):
        self.heal()
        super().tearDown()

    def ail(self):
        with open(FAILS, "w", encoding="ascii"):
            pass

    def heal(self):
        if os.path.exists(FAILS):
            os.unlink(FAILS)

    def broken(self, *changes):
        return repack(self.deb, "/tmp/broken.deb", *changes)

    def fails(self, *command, **env):
        result = run(*command, **env)
        self.assertNotEqual(result.returncode, 0, result.stdout)
        return result


class Failing(BrokenCase):
    """The first installation."""

    def test_broken_packages(self):
        for name, change in BREAKAGES.items():
            with self.subTest(name):
                result = self.fails("dpkg", "-i", self.broken(change))
                self.assertIn(state_of(), ("", "not-installed"), result.stdout)
                self.check_stock()
                self.assertFalse(os.path.exists(package.STORE))

    def test_after_a_removed_one(self):
        self.install()
        must("dpkg", "--remove", NAME)
        for name, change in BREAKAGES.items():
            with self.subTest(name):
                result = self.fails("dpkg", "-i", self.broken(change))
                self.assertEqual(state_of(), "config-files", result.stdout)
                self.check_stock()

    def test_configuring(self):
        self.ail()
        self.fails("dpkg", "-i", self.broken(fail_configuring))
        self.assertEqual(state_of(), "half-configured")
        self.heal()
        must("dpkg", "--configure", NAME)
        self.check_ours()
        self.assertEqual(self.accounts(), [])

    def test_configuring_and_taken_back(self):
        self.ail()
        self.fails("dpkg", "-i", self.broken(fail_configuring))
        must("dpkg", "--remove", NAME)
        self.check_stock()

    def test_the_administrators_own_diversion(self):
        link = self.plugin("libdigestmd5.so")
        divert = ("dpkg-divert", "--local", "--rename", "--divert", link + ".mine")
        must(*divert, "--add", link)
        try:
            result = self.fails("dpkg", "-i", self.deb)
            self.assertIn(state_of(), ("", "not-installed"), result.stdout)
            self.assertEqual(package.diversions(), {})
            self.assertEqual(os.readlink(link + ".mine"), self.stock["libdigestmd5.so"][-1])
            self.assertFalse(os.path.lexists(link))
        finally:
            must(*divert, "--remove", link)


class FailingLater(BrokenCase):
    """With a version and an account in place."""

    def setUp(self):
        self.install()
        self.add_alice()

    def test_upgrading(self):
        for name, change in BREAKAGES.items():
            with self.subTest(name):
                self.fails("dpkg", "-i", self.broken(newer, change))
                self.check_ours()
                self.check_alice()

    def test_upgrading_when_files_are_there_already(self):
        self.install(self.broken(fail_in_postrm("upgrade")))
        self.fails("dpkg", "-i", self.broken(newer, fail_in_postrm("failed-upgrade")))
        self.check_ours()
        self.check_alice()

    def test_upgrading_fails_to_configure(self):
        self.ail()
        self.fails("dpkg", "-i", self.broken(newer, fail_configuring))
        self.assertEqual(state_of(), "half-configured")
        self.heal()
        for finish in (("--configure", NAME), ("-i", self.deb)):
            must("dpkg", *finish)
            self.check_ours()
            self.check_alice()

    def test_removing_refused(self):
        self.install(self.broken(fail_before_removal))
        self.ail()
        self.fails("dpkg", "--remove", NAME)
        self.check_ours()
        self.check_alice()

    def test_removing_broken_off(self):
        self.install(self.broken(fail_after_removal))
        self.ail()
        self.fails("dpkg", "--remove", NAME)
        self.heal()
        must("dpkg", "--remove", NAME)
        self.assertEqual(state_of(), "config-files")
        self.check_stock()


class Killed(BrokenCase):
    """dpkg itself ends in the midst of it, as when the power fails."""

    def unpacking(self):
        """The environment in which dpkg gets part of a package's files and is killed."""
        os.makedirs("/tmp/killer", exist_ok=True)
        with open("/tmp/killer/dpkg-deb", "w", encoding="ascii") as program:
            program.write("#!/bin/sh\n[ \"$1\" = --fsys-tarfile ] || exec /usr/bin/dpkg-deb \"$@\"\n"
                          f"/usr/bin/dpkg-deb \"$@\" | head -c 400000\n{KILL}\n")
        os.chmod("/tmp/killer/dpkg-deb", 0o755)
        return {"PATH": f"/tmp/killer:{os.environ['PATH']}"}

    def killed(self, *changes, **env):
        result = run("dpkg", "-i", self.broken(*changes), **env)
        self.assertEqual(result.returncode, -9, result.stdout)

    def ways(self):
        """Names, changes of the package, environments."""
        yield "diverting", (kill_after_diverting,), {}
        yield "unpacking", (), self.unpacking()
        yield "configuring", (kill_configuring,), {}

    def test_installing(self):
        """dpkg wants it tried again before it removes what it has not finished."""
        for name, changes, env in self.ways():
            with self.subTest(name):
                self.killed(*changes, **env)
                self.install()
                self.check_ours()
                self.assertEqual(self.accounts(), [])
                self.begin_anew()

    def test_configuring_and_taken_back(self):
        self.killed(kill_configuring)
        self.begin_anew()

    def test_upgrading(self):
        self.install(self.broken(kill_before_old_files_go))
        self.add_alice()
        self.ail()
        for name, changes, env in (("replacing", (), {}), *self.ways()):
            with self.subTest(name):
                self.killed(newer, *changes, **env)
                self.heal()
                self.install()
                self.check_ours()
                self.check_alice()
        self.killed(newer, kill_configuring)
        must("dpkg", "--remove", NAME)
        self.check_stock()
        self.install()
        self.check_alice()
