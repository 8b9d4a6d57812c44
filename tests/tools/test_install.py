# SPDX-License-Identifier: BSD-2-Clause
"""cmake --install: everything in its place, DESTDIR honoured, foreign plugins left alone."""

import os
import shutil
import stat
import sys

import toolkit

BUILD = os.environ["SASL_LMDB_BUILD"]
CMAKE = os.environ["SASL_LMDB_CMAKE"]
PLUGIN_DIR = os.environ["SASL_LMDB_PLUGIN_DIR"]
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LINKS = os.path.join(SOURCE, "tests", "check_links.py")
MANIFEST = os.path.join(BUILD, "install_manifest.txt")
STEPS = os.path.join(SOURCE, "cmake")

PLUGINS = ["libplain.so", "liblogin.so", "libcrammd5.so", "libdigestmd5.so", "libscram.so",
           "libsasllmdb.so"]
FOREIGN = b"\x7fELF somebody else's plugin\0"


def tree(directory):
    """All files and links below a directory, as paths from there."""
    return sorted(
        os.path.relpath(os.path.join(at, name), directory)
        for at, folders, files in os.walk(directory)
        for name in files + [f for f in folders if os.path.islink(os.path.join(at, f))])


class Install(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.destdir = os.path.join(self.directory, "dest")
        # The list of what was installed from here is the administrator's.
        kept = toolkit.contents(MANIFEST) if os.path.exists(MANIFEST) else None
        self.addCleanup(self.put_back_manifest, kept)

    def put_back_manifest(self, kept):
        if kept is not None:
            self.put(MANIFEST, kept)
        elif os.path.exists(MANIFEST):  # not every test installs
            os.unlink(MANIFEST)

    def install(self, prefix="/opt/sasl-lmdb"):
        return toolkit.run([CMAKE, "--install", BUILD, "--prefix", prefix],
                           env={**os.environ, "DESTDIR": self.destdir})

    def plugin(self, name, prefix="/opt/sasl-lmdb"):
        return os.path.join(self.destdir, prefix[1:], PLUGIN_DIR, name)

    def put(self, path, content=FOREIGN):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def step(self, step, *names, overwrite="ON"):
        """A step by itself, with the option as a configured tree would have it."""
        return toolkit.run([
            CMAKE, f"-Dnames={';'.join(names)}", f"-Ddirectory={self.directory}",
            f"-Doverwrite={overwrite}", "-P", os.path.join(STEPS, f"install-{step}.cmake")])

    def test_without_tests(self):
        """As README has it: nothing of tests/ is built, and cmocka is not asked for."""
        build = os.path.join(self.directory, "build")
        packages = os.path.join(self.directory, "bin")
        os.mkdir(packages)
        real = shutil.which("pkg-config")
        self.put(os.path.join(packages, "pkg-config"),
                 f'#!/bin/sh\ncase " $* " in *cmocka*) exit 1 ;; esac\nexec {real} "$@"\n'.encode())
        os.chmod(os.path.join(packages, "pkg-config"), 0o755)
        path = packages + os.pathsep + os.environ["PATH"]
        for testing, status in (("ON", 1), ("OFF", 0)):
            made = toolkit.run([CMAKE, "-G", "Ninja", "-S", SOURCE, "-B", build + testing,
                                f"-DBUILD_TESTING={testing}"], env={**os.environ, "PATH": path})
            self.assertEqual(made.status, status, made)
        targets = toolkit.run(["ninja", "-C", build + "OFF", "-t", "targets", "all"])
        self.assertEqual(targets.status, 0, targets)
        self.assertIn(b"\nbin/sasl-lmdb: ", targets.out)
        self.assertIn(b"\nplugins/libscram.so: ", targets.out)
        self.assertNotIn(b"test_", targets.out)

    def test_everything_is_there(self):
        result = self.install()
        self.assertEqual(result.status, 0, result)
        self.assertEqual(os.listdir(self.directory), ["dest"])
        self.assertEqual(os.listdir(self.destdir), ["opt"])
        for name in PLUGINS:
            self.assertEqual(stat.S_IMODE(os.stat(self.plugin(name)).st_mode), 0o644, name)
        self.assertEqual(sorted(os.listdir(self.plugin(""))), sorted(PLUGINS))
        files = tree(self.destdir)
        for name in ("sbin/sasl-lmdb", "sbin/saslpasswd-lmdb",
                     "man/man8/sasl-lmdb.8", "man/man8/saslpasswd-lmdb.8", "man/man5/sasl-lmdb.5",
                     "bash-completion/completions/sasl-lmdb",
                     "bash-completion/completions/saslpasswd-lmdb",
                     "fail2ban/filter.d/sasl-lmdb.conf", "fail2ban/jail.d/sasl-lmdb.conf",
                     "sasl-lmdb/sasl-lmdb.schema", "examples/saslpasswd.conf", "examples/smtpd.conf",
                     "doc/sasl-lmdb/README.md", "doc/sasl-lmdb/LICENSE",
                     "doc/sasl-lmdb/docs/SECURITY.md"):
            self.assertEqual(len([f for f in files if f.endswith("/" + name)]), 1, name)
        for name in files:
            path = os.path.join(self.destdir, name)
            self.assertTrue(os.path.exists(path), f"{name} leads nowhere")
            self.assertFalse(os.stat(path).st_mode & 0o022, f"others may write {name}")

    def test_links_of_the_texts_lead_somewhere(self):
        self.assertEqual(self.install().status, 0)
        result = toolkit.run([sys.executable, "-B", LINKS, self.destdir])
        self.assertEqual(result.status, 0, result)

    def test_the_manifest_lists_all_of_it(self):
        """What README says takes everything away again."""
        self.assertEqual(self.install().status, 0)
        listed = toolkit.contents(MANIFEST).decode().split("\n")
        self.assertEqual(sorted(listed), ["/" + name for name in tree(self.destdir)])

    def test_the_tool_installed_has_the_version_of_the_package(self):
        self.assertEqual(self.install().status, 0)
        tool = os.path.join(self.destdir, "opt/sasl-lmdb/sbin/sasl-lmdb")
        result = toolkit.run([tool, "--version"])
        self.assertEqual(result.status, 0, result)
        with open(os.path.join(SOURCE, "debian", "changelog"), "rb") as file:
            version = file.readline().split(b"(")[1].split(b")")[0]
        self.assertIn(version, result.out)

    def test_again_over_itself(self):
        self.assertEqual(self.install().status, 0)
        before = tree(self.destdir)
        result = self.install()
        self.assertEqual(result.status, 0, result)
        self.assertEqual(tree(self.destdir), before)

    def test_an_older_version_of_ours_gives_way(self):
        path = self.plugin("liblogin.so")
        self.put(path, b"\x7fELF...\0@(#)sasl-lmdb plugin 0.0.1\0...")
        result = self.install()
        self.assertEqual(result.status, 0, result)
        self.assertGreater(os.path.getsize(path), 1000)

    def test_foreign_file_stops_it(self):
        for name in PLUGINS:
            with self.subTest(name):
                path = self.plugin(name, f"/{name}")
                self.put(path)
                result = self.install(f"/{name}")
                self.assertNotEqual(result.status, 0, result)
                self.assertIn(path.encode(), result.err.replace(b"\n  ", b""))
                self.assertEqual(toolkit.contents(path), FOREIGN)
                relative = os.path.relpath(path, self.destdir)
                self.assertEqual([f for f in tree(self.destdir) if f.startswith(name)], [relative])

    def test_foreign_link_stops_it(self):
        target = os.path.join(self.directory, "libplain.so.2.0.25")
        self.put(target)
        for index, goal in enumerate((target, "/nonexistent/libplain.so.2")):
            with self.subTest(goal):
                path = self.plugin("libplain.so", f"/{index}")
                os.makedirs(os.path.dirname(path))
                os.symlink(goal, path)
                result = self.install(f"/{index}")
                self.assertNotEqual(result.status, 0, result)
                self.assertEqual(os.readlink(path), goal)
                self.assertEqual(toolkit.contents(target), FOREIGN)

    def test_others_beside_ours_do_not_matter(self):
        path = self.plugin("libgssapiv2.so")
        self.put(path)
        self.assertEqual(self.install().status, 0)
        self.assertEqual(toolkit.contents(path), FOREIGN)

    def test_overwrite_takes_the_link_and_not_its_target(self):
        target = os.path.join(self.directory, "libplain.so.2.0.25")
        link = os.path.join(self.directory, "libplain.so")
        self.put(target)
        os.symlink(target, link)
        self.put(os.path.join(self.directory, "liblogin.so"))
        names = ("libplain.so", "liblogin.so")
        refused = self.step("guard", *names, overwrite="OFF")
        self.assertNotEqual(refused.status, 0, refused)
        self.assertIn(b"SASL_LMDB_OVERWRITE", refused.err)
        self.assertEqual(os.readlink(link), target)
        allowed = self.step("guard", *names)
        self.assertEqual(allowed.status, 0, allowed)
        self.assertEqual(os.readlink(link), target)
        for name in names:
            self.put(os.path.join(self.directory, ".sasl-lmdb-new", name), b"new")
        renamed = self.step("rename", *names)
        self.assertEqual(renamed.status, 0, renamed)
        self.assertEqual(tree(self.directory), sorted([*names, "libplain.so.2.0.25"]))
        self.assertEqual(os.listdir(self.directory).count(".sasl-lmdb-new"), 0)
        for name in names:
            self.assertEqual(toolkit.contents(os.path.join(self.directory, name)), b"new")
        self.assertEqual(toolkit.contents(target), FOREIGN)

    def test_what_fails_leaves_the_old_ones(self):
        """Nothing that has been copied takes a name before everything has been copied."""
        self.assertEqual(self.install().status, 0)
        old = {name: os.stat(self.plugin(name)).st_ino for name in PLUGINS}
        # What an installation that was broken off has left is cleared away.
        self.put(self.plugin(".sasl-lmdb-new/libplain.so"), b"half")
        self.assertEqual(self.install().status, 0)
        new = {name: os.stat(self.plugin(name)).st_ino for name in PLUGINS}
        for name in PLUGINS:
            self.assertNotEqual(old[name], new[name], name)
        guarded = toolkit.run(["sh", "-c", f'ulimit -f 20; exec "{CMAKE}" --install "{BUILD}" '
                               "--prefix /opt/sasl-lmdb"],
                              env={**os.environ, "DESTDIR": self.destdir})
        self.assertNotEqual(guarded.status, 0, guarded)
        for name in PLUGINS:
            self.assertEqual(os.stat(self.plugin(name)).st_ino, new[name], name)
        self.assertEqual(self.install().status, 0)
        self.assertEqual(sorted(os.listdir(self.plugin(""))), sorted(PLUGINS))

    def test_overwrite_takes_no_directory(self):
        inside = os.path.join(self.directory, "libplain.so", "file")
        self.put(inside)
        result = self.step("guard", "libplain.so")
        self.assertNotEqual(result.status, 0, result)
        self.assertEqual(toolkit.contents(inside), FOREIGN)


if __name__ == "__main__":
    toolkit.main()
