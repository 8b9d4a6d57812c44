# SPDX-License-Identifier: BSD-2-Clause
"""Whatever is wrong with names, passwords, paths, keys and stores: one clear line, the right exit
code, and nothing changed."""

import os
import shutil

import toolkit

NAME = "alice@example.org"
PASSWORD = b"Geheim77"

# Every verb that needs a store, with what it reads from standard input.
VERBS = [
    (["list"], b""),
    (["show", NAME], b""),
    (["verify", NAME], PASSWORD),
    (["enable", NAME], b""),
    (["disable", NAME], b""),
    (["import", "--format", "tsv", "-"], b"bob\texample.org\t" + PASSWORD + b"\n"),
    (["import", "--format", "tsv", "--dry-run", "-"], b"bob\texample.org\t" + PASSWORD + b"\n"),
    (["import", "--format", "tsv", "--strict", "-"], b"bob\texample.org\t" + PASSWORD + b"\n"),
]
A_READER_AND_A_WRITER = [VERBS[2], VERBS[5]]
PASSWD = [(["-p", NAME], PASSWORD), (["-d", NAME], b"")]


class BadInput(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        self.set_password(self.store, NAME, PASSWORD)
        self.before = (self.store.accounts(), self.store.digests())

    def assert_untouched(self):
        self.assertEqual((self.store.accounts(), self.store.digests()), self.before)
        self.assertEqual(sorted(os.listdir(self.directory)), ["key", "users.mdb", "users.mdb-lock"])

    def assert_nobody_works(self, store, *words, verbs=tuple(VERBS)):
        """Every verb fails on this store as on a store or system error."""
        for arguments, stdin in verbs:
            result = store.tool(*arguments, stdin=stdin)
            self.assert_one_line(result, 3, arguments[0], *words, never=[PASSWORD])
            self.assertEqual(result.out, b"", arguments)
        for arguments, stdin in PASSWD:
            result = store.passwd(*arguments, stdin=stdin)
            self.assert_one_line(
                result, 1, *words, program="saslpasswd-lmdb", never=[PASSWORD]
            )

    def test_who_is_not_there(self):
        for name in ("nobody@example.org", "alice@nowhere.example", "alice", "Alice@example.org"):
            for verb in ("show", "verify", "enable", "disable"):
                result = self.store.tool(verb, name, stdin=PASSWORD)
                self.assert_one_line(result, 1, verb, "no such user", never=[PASSWORD])
        result = self.store.tool("list", "--realm", "nowhere.example")
        self.assert_one_line(result, 1, "list", "nowhere.example")
        self.assert_untouched()

    def test_names_that_cannot_be(self):
        for name, word in (
            ("a@b@c", "one '@'"),
            ("alice@example.org@", "one '@'"),
            ("@example.org", "empty"),
            ("", "empty"),
            ("u" * 256 + "@example.org", "longer"),
            ("ü" * 128 + "@example.org", "longer"),
            ("u@" + "r" * 256, "longer"),
            ("x" * 100000, "longer"),
            ("al\x07ice@example.org", "SASLprep"),
            ("al\nice@example.org", "SASLprep"),
            ("al\u0085ice@example.org", "SASLprep"),
            ("al\ue000ice@example.org", "SASLprep"),
            ("al\u200eice@example.org", "SASLprep"),
            ("\u0627b\u0628@example.org", "SASLprep"),
            ("alice@exam ple.org", "realm"),
            (b"al\xffice@example.org", "UTF-8"),
            (b"al\xc0\xaf@example.org", "UTF-8"),
            (b"al\xed\xa0\x80@example.org", "UTF-8"),
        ):
            for verb in ("show", "verify", "enable", "disable"):
                result = self.store.tool(verb, name, stdin=PASSWORD)
                self.assert_one_line(result, 1, verb, word, never=[PASSWORD])
                self.assertLess(len(result.err), 600)
        for realm in ("", "a b", "a@b", "r" * 256):
            self.assert_one_line(self.store.tool("list", "--realm", realm), 1, "list")
        self.assert_untouched()

    def test_a_missing_store(self):
        for missing in ("nothing.mdb", "nowhere/users.mdb"):
            store = toolkit.Store(self.directory, missing)
            self.assert_nobody_works(store, store.path)
        self.assert_untouched()

    def test_a_missing_key(self):
        self.store.key = os.path.join(self.directory, "nothing")
        self.assert_nobody_works(self.store, self.store.key)
        self.store.key = os.path.join(self.directory, "key")
        self.assert_untouched()

    def test_a_wrong_key(self):
        other = os.path.join(self.directory, "other")
        os.mkdir(other)
        toolkit.Store(other).tool("init")
        for path in (os.path.join(other, "key"),):
            wrong = toolkit.Store(self.directory, key=os.path.join("other", "key"))
            self.assertEqual(wrong.key, path)
            self.assert_nobody_works(wrong)
        shutil.rmtree(other)
        self.assert_untouched()

    def test_a_key_of_this_store_with_other_bytes(self):
        words = toolkit.contents(self.store.key).split()
        changed = bytes([words[2][0] ^ 1]) + words[2][1:]
        self.file("wrong", b" ".join([words[0], words[1], changed]) + b"\n")
        wrong = toolkit.Store(self.directory, key="wrong")
        self.assert_nobody_works(wrong)
        os.unlink(wrong.key)
        self.assert_untouched()

    def test_an_exposed_key(self):
        for mode in (0o644, 0o604, 0o602, 0o640, 0o660, 0o666, 0o777):
            os.chmod(self.store.key, mode)
            self.assert_nobody_works(self.store, self.store.key, "chmod")
        os.chmod(self.store.key, 0o600)
        self.assert_untouched()

    def test_no_key_file_at_all(self):
        """Whatever its mode: what is no key file must not be given another one."""
        other = self.file("passwd", b"root:x:0:0:root:/root:/bin/bash\n")
        os.chmod(other, 0o644)
        self.store.key = other
        result = self.store.tool("check")
        self.assertEqual(result.status, 3, result)
        self.assertIn(b"passwd, line 1: not", result.err)
        self.assertNotIn(b"chmod", result.err)

    def test_a_damaged_key_file(self):
        good = toolkit.contents(self.store.key)
        words = good.split()
        for damaged in (
            b"",
            b"\n",
            b"# nothing but a comment\n",
            b"hello\n",
            good[:-20],  # into the key: before the time it was made
            good.replace(b"=", b"!"),
            b" ".join([b"0", *words[1:]]) + b"\n",
            b" ".join([b"-1", *words[1:]]) + b"\n",
            b" ".join([b"99999999999", *words[1:]]) + b"\n",
            b" ".join([words[0], words[1][:-2], words[2]]) + b"\n",
            b" ".join([words[0], b"zz" + words[1][2:], words[2]]) + b"\n",
            good + good,
            good + b"\0",
            b"\xff" * 64,
            b"1 " * 100000,
        ):
            with open(self.store.key, "wb") as key:
                key.write(damaged)
            self.assert_nobody_works(
                self.store, self.store.key, verbs=A_READER_AND_A_WRITER
            )
        with open(self.store.key, "wb") as key:
            key.write(good)
        self.assert_untouched()

    def test_a_key_that_is_a_directory(self):
        self.store.key = self.directory
        self.assert_nobody_works(self.store)
        self.store.key = os.path.join(self.directory, "key")
        self.assert_untouched()

    def test_a_file_that_is_no_store(self):
        good = toolkit.contents(self.store.path)
        used = len(good.rstrip(b"\0"))
        for name, contents in (
            ("empty", b""),
            ("text", b"this is not a store\n" * 1000),
            ("one-byte", b"x"),
            ("zeros", bytes(len(good))),
            ("ones", b"\xff" * len(good)),
            ("half-page", good[:2048]),
            ("one-page", good[:4096]),
            ("two-pages", good[:8192]),
            ("truncated", good[: used // 2]),
            ("first-zeros", bytes(8192) + good[8192:]),
        ):
            for lock in (False, True):
                path = self.file(name, contents)
                store = toolkit.Store(self.directory, name)
                if lock:
                    shutil.copy(self.store.lock, store.lock)
                self.assert_nobody_works(store, verbs=A_READER_AND_A_WRITER)
                self.assertEqual(toolkit.contents(path), contents, name)
                os.unlink(path)
                if os.path.exists(store.lock):
                    os.unlink(store.lock)
        self.assert_untouched()

    def test_a_directory_is_no_store(self):
        self.assert_nobody_works(toolkit.Store(os.path.dirname(self.directory),
                                               os.path.basename(self.directory),
                                               os.path.join(os.path.basename(self.directory),
                                                            "key")))
        self.assert_untouched()

    def test_a_store_without_its_lock_file(self):
        os.unlink(self.store.lock)
        for arguments, stdin in VERBS[:3]:
            result = self.store.tool(*arguments, stdin=stdin)
            self.assertIn(result.status, (0, 3), result)
            if result.status == 3:
                self.assert_one_line(result, 3, never=[PASSWORD])
        self.assertEqual(self.store.digests(), self.before[1])

    def test_an_import_file_that_cannot_be_read(self):
        for path in (os.path.join(self.directory, "nothing"), self.directory):
            result = self.store.tool("import", "--format", "tsv", path)
            self.assertEqual(result.status, 3, result)
            self.assertIn(path.encode(), result.err)
        self.assert_untouched()

    def test_closed_standard_input(self):
        for command, status in (
            (self.store.command("verify", NAME), 3),
            (self.store.passwd_command("-p", NAME), 1),
        ):
            result = toolkit.run(["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command])
            self.assertEqual(result.status, status, result)
            self.assertIn(b"cannot read the password", result.err)
        self.assert_untouched()


if __name__ == "__main__":
    toolkit.main()
