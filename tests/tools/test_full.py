# SPDX-License-Identifier: BSD-2-Clause
"""No room: a file-size limit and a full file system, under every verb that writes."""

import os
import resource
import subprocess

import toolkit

REALM = "example.org"


class Full(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.mounted = []

    def tearDown(self):
        for path in self.mounted:
            subprocess.run(["umount", path], check=True)
        super().tearDown()

    def filled(self, directory=None, accounts=60):
        """A store with accounts whose verifiers are ready (no PBKDF2), and a file of many more."""
        store = toolkit.Store(
            directory or self.directory, key=os.path.join(self.directory, "key")
        )
        result = store.tool("init", "--iterations", toolkit.FEW_ITERATIONS)
        self.assertEqual(result.status, 0, result)
        lines = b"".join(b"user%d\t%s\tpw %d\n" % (i, REALM.encode(), i) for i in range(accounts))
        result = store.tool("import", "--format", "tsv", "-", stdin=lines)
        self.assertEqual(result.status, 0, result)
        return store

    def many(self, store, n):
        """jsonl of n accounts with verifiers."""
        out = store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy").out
        lines = [line for line in out.splitlines() if b'"user0"' in line]
        self.assertEqual(len(lines), 1, out[:400])
        return b"".join(lines[0].replace(b'"user0"', b'"many%d"' % i) + b"\n" for i in range(n))

    def state(self, store):
        result = store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy")
        self.assertEqual(result.status, 0, result)
        return sorted(result.out.splitlines())  # a new key is a new order

    def assert_sound(self, store):
        result = store.tool("check")
        self.assertEqual(result.status, 0, result)

    def limit_to(self, size):
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    def test_a_file_size_limit(self):
        store = self.filled()
        many = self.many(store, 3000)
        backup = os.path.join(self.directory, "backup")
        # A backup that needs more than there is room for: made of a larger store.
        larger = toolkit.Store(self.directory, "larger.mdb", "key")
        self.assertEqual(larger.tool("init").status, 0)
        result = larger.tool("import", "--format", "jsonl", "-", stdin=many)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(larger.tool("backup", backup).status, 0)
        before = self.state(store)
        size = os.path.getsize(store.path)
        for arguments, stdin in (
            (["restore", backup], b""),
            (["import", "--format", "jsonl", "-"], many),
            (["import", "--replace", "--format", "jsonl", "-"], many),
            (["backup", os.path.join(self.directory, "other")], b""),
        ):
            limit = 4096 if arguments[0] == "backup" else size
            result = store.tool(*arguments, stdin=stdin, preexec_fn=self.limit_to(limit))
            self.assertEqual(result.status, 3, (arguments, result))
            self.assertRegex(result.err, rb"File too large|No space|cannot grow|full")
            self.assert_sound(store)
            if arguments[0] == "import":
                before = self.state(store) if len(arguments) == 4 else before
            self.assertEqual(self.state(store), before)
        self.assertFalse(os.path.exists(os.path.join(self.directory, "other")))
        self.assertEqual([n for n in os.listdir(self.directory) if n.startswith("other")], [])
        for i in range(60):
            if i % 10 == 0:
                self.assert_verifies(store, f"user{i}@{REALM}", b"pw %d" % i)

    def test_rekey_under_a_file_size_limit(self):
        store = self.filled(accounts=20)
        many = self.many(store, 1500)
        result = store.tool("import", "--format", "jsonl", "-", stdin=many)
        self.assertEqual(result.status, 0, result)
        before = self.state(store)
        size = os.path.getsize(store.path)
        result = store.tool("rekey", preexec_fn=self.limit_to(size))
        if result.status != 0:  # it may just fit into pages that are free
            self.assertEqual(result.status, 3, result)
            self.assertRegex(result.err, rb"File too large|No space|cannot grow|full")
        self.assert_sound(store)
        self.assertEqual(self.state(store), before)
        self.assertEqual(store.tool("rekey", "--retire-now").status, 0)
        self.assert_sound(store)
        self.assertEqual(self.state(store), before)

    def test_set_under_a_file_size_limit(self):
        store = self.filled(accounts=3)
        refused = 0
        many = self.many(store, 1)
        size = os.path.getsize(store.path)
        for i in range(1200):
            line = many.replace(b'"many0"', b'"n%d"' % i)
            if i % 100:
                lines = b"".join(many.replace(b'"many0"', b'"n%d-%d"' % (i, j)) for j in range(20))
                line += lines
            result = store.tool(
                "import", "--format", "jsonl", "-", stdin=line, preexec_fn=self.limit_to(size)
            )
            if result.status == 3:
                refused += 1
                break
            self.assertEqual(result.status, 0, result)
        self.assertEqual(refused, 1)
        result = store.passwd(
            "-p", "-c", f"one.more@{REALM}", stdin=b"secret\n", preexec_fn=self.limit_to(size)
        )
        if result.status != 0:
            self.assertNotIn(f"one.more@{REALM}: userPassword", store.names())
        self.assert_sound(store)
        self.assert_verifies(store, f"user1@{REALM}", b"pw 1")
        # With room again it goes on.
        self.set_password(store, f"one.more@{REALM}", b"secret")
        self.assert_verifies(store, f"one.more@{REALM}", b"secret")

    def test_a_full_file_system(self):
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        mount = os.path.join(self.directory, "small")
        os.mkdir(mount)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", mount], capture_output=True
        )
        if done.returncode != 0:
            self.skipTest(f"no tmpfs here: {done.stderr!r}")
        self.mounted.append(mount)
        store = self.filled(mount)
        before_names = set(store.names())
        many = self.many(store, 6000).splitlines(keepends=True)
        at = 0
        for chunk in (200, 20):
            result = None
            while result is None or result.status == 0:
                lines = b"".join(many[at : at + chunk])
                result = store.tool("import", "--format", "jsonl", "-", stdin=lines)
                at += chunk
        self.assertEqual(result.status, 3, result)
        self.assertRegex(result.err, rb"No space")
        self.assert_sound(store)
        self.assertTrue(before_names <= set(store.names()))
        before = self.state(store)
        for arguments in (["rekey"], ["rekey", "--retire-now"], ["backup", mount + "/backup"],
                          ["import", "--replace", "--format", "jsonl", "-"]):
            result = store.tool(*arguments, stdin=b"".join(many))
            self.assertEqual(result.status, 3, (arguments, result))
            self.assertRegex(result.err, rb"No space|full")
            self.assert_sound(store)
            self.assertEqual(self.state(store), before)
        outside = os.path.join(self.directory, "backup")
        larger = toolkit.Store(self.directory, "larger.mdb", store.key)
        self.assertEqual(larger.tool("init").status, 0)
        result = larger.tool("import", "--format", "jsonl", "-", stdin=b"".join(many))
        self.assertEqual(result.status, 0, result)
        self.assertEqual(larger.tool("backup", outside + ".larger").status, 0)
        self.assertEqual(store.tool("backup", outside).status, 0)
        result = store.tool("restore", outside + ".larger")
        self.assertEqual(result.status, 3, result)
        self.assertRegex(result.err, rb"No space|full")
        self.assert_sound(store)
        self.assertEqual(self.state(store), before)
        result = store.passwd("-p", "-c", f"x@{REALM}", stdin=b"secret\n")
        self.assert_sound(store)
        for i in range(0, 60, 7):
            self.assert_verifies(store, f"user{i}@{REALM}", b"pw %d" % i)
        # A larger disk, and all goes on.
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
        self.assertEqual(store.tool("rekey").status, 0)
        self.assertEqual(store.tool("restore", outside).status, 0)
        self.assert_sound(store)
        self.assertEqual(self.state(store), before)


if __name__ == "__main__":
    toolkit.main()
