# SPDX-License-Identifier: BSD-2-Clause
"""backup, restore and rekey as somebody runs them."""

import os
import shutil
import stat

import toolkit

REALM = "example.org"
NOBODY = 65534


class Keys(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        for name in ("alice", "bob"):
            self.set_password(self.store, f"{name}@{REALM}", b"pw of " + name.encode())

    def done(self, *arguments, store=None):
        result = (store or self.store).tool(*arguments)
        self.assertEqual((result.status, result.err), (0, b""), (arguments, result))
        return result.out

    def key_ids(self, store=None):
        lines = toolkit.contents((store or self.store).key).splitlines()
        return [int(line.split()[0]) for line in lines]

    def path(self, name):
        return os.path.join(self.directory, name)

    def test_backup_and_restore(self):
        path = self.path("backup")
        os.umask(0)
        self.assertEqual(self.done("backup", path), f"{path}: 2 accounts\n".encode())
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.set_password(self.store, f"alice@{REALM}", b"other")
        self.set_password(self.store, f"carol@{REALM}", b"new")
        self.assertEqual(self.done("restore", path), b"restored 2 accounts\n")
        self.assertEqual(
            self.store.names(), [f"alice@{REALM}: userPassword", f"bob@{REALM}: userPassword"]
        )
        self.assert_verifies(self.store, f"alice@{REALM}", b"pw of alice")
        self.done("check")

    def test_through_pipes(self):
        result = self.store.tool("backup", "-")
        self.assertEqual((result.status, result.err), (0, b""))
        self.set_password(self.store, f"carol@{REALM}", b"new")
        again = self.store.tool("restore", "-", stdin=result.out)
        self.assertEqual((again.status, again.out), (0, b"restored 2 accounts\n"))
        again = self.store.tool("restore", "-", stdin=result.out[:-1])
        self.assert_one_line(again, 1, "nothing was changed", "damaged")

    def test_a_backup_is_never_written_over(self):
        path = self.file("backup", b"precious")
        self.assert_one_line(self.store.tool("backup", path), 1, "exists")
        self.assertEqual(toolkit.contents(path), b"precious")
        os.symlink("nowhere", self.path("link"))
        self.assert_one_line(self.store.tool("backup", self.path("link")), 1, "exists")
        self.assert_one_line(self.store.tool("backup", self.path("no/where")), 3)
        self.assertEqual(self.store.tool("backup").status, 2)
        self.assertEqual(self.store.tool("restore").status, 2)
        self.assert_one_line(self.store.tool("restore", self.path("missing")), 3, "missing")

    def test_a_lost_store(self):
        self.done("backup", self.path("backup"))
        os.unlink(self.store.path)
        os.unlink(self.store.lock)
        self.assertEqual(self.store.tool("init").status, 0)
        self.assertEqual(self.store.names(), [])
        self.done("restore", self.path("backup"))
        self.assert_verifies(self.store, f"bob@{REALM}", b"pw of bob")
        self.done("check")

    def test_a_foreign_backup(self):
        other = self.new_store(name="other.mdb", key="other.key")
        self.set_password(other, f"mallory@{REALM}", b"x")
        self.done("backup", self.path("backup"), store=other)
        result = self.store.tool("restore", self.path("backup"))
        self.assert_one_line(result, 3, "nothing was changed", "does not have that key")
        self.assert_verifies(self.store, f"bob@{REALM}", b"pw of bob")

    def test_rekey(self):
        key = toolkit.contents(self.store.key)
        self.done("backup", self.path("old"))
        self.assertIn(b"key 2", self.done("rekey"))
        self.assertEqual(self.key_ids(), [1, 2])
        self.assertTrue(toolkit.contents(self.store.key).startswith(key))
        self.assert_verifies(self.store, f"alice@{REALM}", b"pw of alice")
        self.done("check")
        self.done("restore", self.path("old"))
        self.assertIn(b"can no longer be restored", self.done("rekey", "--retire"))
        self.assertEqual(self.key_ids(), [2])
        self.assert_verifies(self.store, f"alice@{REALM}", b"pw of alice")
        self.assert_one_line(self.store.tool("restore", self.path("old")), 3, "key 1")
        self.done("check")
        # With the old key put back the old backup is good again.
        with open(self.store.key, "ab") as file:
            file.write(key)
        self.done("restore", self.path("old"))

    def test_retire_now(self):
        self.done("rekey", "--retire-now")
        self.assertEqual(self.key_ids(), [2])
        self.done("rekey", "--retire-now")
        self.assertEqual(self.key_ids(), [3])
        self.done("check")
        self.assert_verifies(self.store, f"alice@{REALM}", b"pw of alice")

    def test_twice_before_the_old_key_is_retired(self):
        self.done("rekey")
        result = self.store.tool("rekey")
        self.assert_one_line(result, 1, "only key 1", "postfix reload", "rekey --retire")
        self.assertEqual(self.key_ids(), [1, 2])
        self.assertIn(b"make a new one now", self.done("rekey", "--retire"))
        self.assertIn(b"key 3", self.done("rekey"))
        self.assertEqual(self.key_ids(), [2, 3])
        # For a key that others may have nobody is waited for.
        self.done("rekey", "--retire-now")
        self.assertEqual(self.key_ids(), [4])
        self.done("check")
        self.assert_verifies(self.store, f"alice@{REALM}", b"pw of alice")

    def test_nothing_to_retire(self):
        self.assertIn(b"Nothing to retire", self.done("rekey", "--retire"))
        self.done("rekey", "--prepare")
        result = self.done("rekey", "--retire")
        self.assertIn(b"older than key 1, which is in use", result)
        self.assertNotIn(b"ackups", result)
        self.assertEqual(self.key_ids(), [1, 2])
        self.done("rekey")
        self.assertNotIn(b"Nothing", self.done("rekey", "--retire"))
        self.assertIn(b"Nothing to retire", self.done("rekey", "--retire"))
        self.assertEqual(self.key_ids(), [2])

    def test_prepare(self):
        self.assertIn(b"Added key 2", self.done("rekey", "--prepare"))
        self.assertIn(b"is in", self.done("rekey", "--prepare"))
        self.assertEqual(self.key_ids(), [1, 2])
        self.assert_verifies(self.store, f"alice@{REALM}", b"pw of alice")
        self.done("rekey")
        self.assertEqual(self.key_ids(), [1, 2])
        self.done("rekey", "--retire")
        self.assertEqual(self.key_ids(), [2])

    def test_the_keys_of_other_stores_stay(self):
        other = toolkit.Store(self.directory, "other.mdb", "key")
        self.assertEqual(other.tool("init", "--iterations", "4096").status, 0)
        self.set_password(other, f"dave@{REALM}", b"pw of dave")
        self.done("rekey", "--retire-now")
        self.assertEqual(sorted(self.key_ids()), [1, 2])
        self.assert_verifies(other, f"dave@{REALM}", b"pw of dave")
        self.assert_verifies(self.store, f"alice@{REALM}", b"pw of alice")

    def test_usage(self):
        for arguments in (["x"], ["--prepare", "--retire"], ["--retire-now", "--retire-now"]):
            self.assertEqual(self.store.tool("rekey", *arguments).status, 2)
        self.assertEqual(self.key_ids(), [1])

    def test_no_key_no_change(self):
        before = toolkit.contents(self.store.path)
        os.rename(self.store.key, self.path("away"))
        for arguments in (["rekey"], ["rekey", "--retire-now"], ["backup", self.path("b")]):
            result = self.store.tool(*arguments)
            self.assert_one_line(result, 3, "key")
        self.assertEqual(toolkit.contents(self.store.path), before)
        self.assertFalse(os.path.exists(self.path("b")))

    def test_as_root_on_somebody_elses_store(self):
        """The store is nobody's, the directory of its key root's."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        os.chmod(self.directory, 0o755)
        etc = self.path("etc")
        var = self.path("var")
        root_only = self.path("root")
        os.mkdir(etc, 0o755)
        os.mkdir(var, 0o755)
        os.mkdir(root_only, 0o700)
        store = toolkit.Store(var, key=os.path.join(etc, "key"))
        shutil.move(self.store.path, store.path)
        shutil.move(self.store.lock, store.lock)
        shutil.move(self.store.key, store.key)
        for path in (store.path, store.lock, store.key, var):
            os.chown(path, NOBODY, NOBODY)
        self.done("rekey", store=store)
        self.assertEqual(self.key_ids(store), [1, 2])
        self.assertEqual(os.stat(store.key).st_uid, NOBODY)
        self.assertEqual(stat.S_IMODE(os.stat(store.key).st_mode), 0o600)
        self.done("rekey", "--retire-now", store=store)
        self.assertEqual(self.key_ids(store), [3])
        self.done("check", store=store)
        path = os.path.join(root_only, "backup")
        self.done("backup", path, store=store)
        self.assertEqual(os.stat(path).st_uid, 0)
        self.assertEqual(os.listdir(root_only), ["backup"])
        self.done("restore", path, store=store)
        self.assert_verifies(store, f"alice@{REALM}", b"pw of alice")


if __name__ == "__main__":
    toolkit.main()
