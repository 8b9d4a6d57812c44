# SPDX-License-Identifier: BSD-2-Clause
"""A store that cannot be read: 454 and a clear log line, never 535, never 235; then repaired.

Mail clients take 535 for "your password is wrong" and ask their user for another one. 454 makes
them try again later.
"""

import base64
import contextlib
import os
import secrets
import stat

import harness
import postfix
from exchanges import MECHANISMS, authenticate
from smtp_talk import SmtpTalk

TEMPORARY = "454 4.7.0 Temporary authentication failure: "
PAGE = 4096


class OutageTest(harness.PostfixCase):
    # Every connection to "fresh" gets an smtpd that has just opened the store. "running" is one
    # process; were there two, the second might be started while the store is away.
    services = {"smtp": {}, "fresh": {"max_use": "1"}, "running": {postfix.PROCESS_LIMIT: "1"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.foreign = harness.Store(cls.work, "foreign")
        cls.foreign.create()
        cls.foreign.add_all(cls.users)

    def attempt(self, talk, mechanism, user, password):
        reply = authenticate(talk, mechanism, user, password)
        self.assertEqual(talk.line("NOOP").code, 250, talk.dialogue())
        return reply

    def check_works(self, service="fresh", mechanisms=MECHANISMS):
        for mechanism in mechanisms:
            with self.subTest(f"{mechanism}, with the store in order"):
                with SmtpTalk(self.postfix.ports[service]) as talk:
                    reply = self.attempt(talk, mechanism, self.USER, self.PASSWORD)
                    self.assertEqual(reply.code, 235, talk.dialogue())

    def check_outage(self, log, credentials, mechanisms=MECHANISMS):
        """Everybody gets the same 454, and the log tells the administrator what is wrong."""
        since = self.postfix.log.mark()
        replies = set()
        for mechanism in mechanisms:
            for user, password in credentials:
                with self.subTest(f"{mechanism} {user} {password}"):
                    now = self.postfix.log.mark()
                    with SmtpTalk(self.postfix.ports["fresh"]) as talk:
                        reply = self.attempt(talk, mechanism, user, password)
                        replies.add(reply.text)
                        self.assertEqual(reply.code, 454, talk.dialogue())
                    self.postfix.log.wait_for(
                        f"sasl-lmdb: mech={mechanism} reason=store ", now)
        self.assertEqual(len(replies), 1, replies)
        self.assertTrue(min(replies).startswith(TEMPORARY), replies)
        self.postfix.log.wait_for("sasl-lmdb: .*" + log, since)

    @contextlib.contextmanager
    def damaged(self, path, change):
        """Has change(path) done to a file and undone, in the same inode where it is the same."""
        aside = path + ".aside"
        with open(path, "rb") as file:
            content = file.read()
        change(path)
        try:
            yield
        finally:
            if os.path.exists(aside):
                if os.path.isdir(path):
                    os.rmdir(path)
                elif os.path.exists(path):
                    os.unlink(path)
                os.rename(aside, path)
            else:
                with open(path, "r+b") as file:
                    file.write(content)
                    file.truncate(len(content))
            os.chmod(path, 0o600)

    def check(self, path, change, log):
        """The damage, seen by a right, a wrong and an unknown login each way, and its repair."""
        with self.damaged(path, change):
            self.check_outage(log, [(self.USER, self.PASSWORD), (self.USER, "wrong"),
                                    ("nosuchuser", self.PASSWORD)])
        self.check_works()

    def check_variant(self, path, change, log):
        """The same for one more damage of a kind, with the right password and fewer mechanisms."""
        with self.damaged(path, change):
            self.check_outage(log, [(self.USER, self.PASSWORD)],
                              ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"))
        self.check_works(mechanisms=("PLAIN",))

    # Ways of damage

    @staticmethod
    def move_away(path):
        os.rename(path, path + ".aside")

    @staticmethod
    def make_directory(path):
        os.rename(path, path + ".aside")
        os.mkdir(path)

    @staticmethod
    def cut(size):
        def change(path):
            os.truncate(path, size)
        return change

    @staticmethod
    def overwrite(start, data):
        def change(path):
            with open(path, "r+b") as file:
                file.seek(start)
                file.write(data)
        return change

    @staticmethod
    def replace_by(content):
        def change(path):
            os.rename(path, path + ".aside")
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, 0o600)
        return change

    # The store

    def used_pages(self):
        """Pages up to the last one that is not empty; LMDB makes the file larger than that."""
        with open(self.store.path, "rb") as file:
            return -(-len(file.read().rstrip(b"\0")) // PAGE)

    def test_store_moved_away(self):
        self.check(self.store.path, self.move_away, "users.mdb.*[Nn]o such file")

    def test_store_is_a_directory(self):
        self.check(self.store.path, self.make_directory, "users.mdb.*not")

    def test_store_truncated(self):
        used = self.used_pages() * PAGE
        self.check(self.store.path, self.cut(used // 2 // PAGE * PAGE), "users.mdb.*truncated")
        for left in (0, 1, 100, PAGE, 2 * PAGE, used - PAGE, used - 1):
            with self.subTest(f"{left} of {used} bytes"):
                self.check_variant(self.store.path, self.cut(left), "users.mdb")

    def test_store_zeroed(self):
        size = os.path.getsize(self.store.path)
        # Not the first page alone: LMDB keeps two of its kind and can do with the other one.
        for name, length in (("both meta pages", 2 * PAGE), ("all", size)):
            with self.subTest(name):
                self.check(self.store.path, self.overwrite(0, bytes(length)), "users.mdb")

    def test_store_replaced_by_noise(self):
        size = os.path.getsize(self.store.path)
        self.check(self.store.path, self.replace_by(secrets.token_bytes(size)), "users.mdb")

    def test_store_replaced_by_text(self):
        text = b"alice:secret\n" * 1000
        self.check(self.store.path, self.replace_by(text), "users.mdb.*not a store")

    def test_store_replaced_by_a_foreign_one(self):
        """The same users and passwords, sealed under somebody else's key."""
        with open(self.foreign.path, "rb") as file:
            content = file.read()
        self.check(self.store.path, self.replace_by(content), "key")

    def test_lock_file_missing_or_damaged(self):
        lock = self.store.path + "-lock"
        self.check(lock, self.move_away, "lock file .*missing")
        self.check_variant(lock, self.cut(100), "lock file .*truncated")
        self.check_variant(lock, self.make_directory, "lock file")

    # The key

    def test_key_missing(self):
        self.check(self.store.key, self.move_away, "key.*[Nn]o such file")

    def test_key_of_another_store(self):
        with open(self.foreign.key, "rb") as file:
            content = file.read()
        self.check(self.store.key, self.replace_by(content), "key")

    def test_key_with_other_bytes(self):
        """The right id and store id, but other random bytes."""
        with open(self.store.key, encoding="ascii") as file:
            words = file.read().split()
        words[2] = base64.b64encode(secrets.token_bytes(32)).decode()
        self.check(self.store.key, self.replace_by((" ".join(words) + "\n").encode()), "key")

    def test_key_damaged(self):
        with open(self.store.key, "rb") as file:
            content = file.read()
        for name, changed in (("empty", b""), ("cut", content[:-20]), ("noise", os.urandom(100)),
                              ("NULs", bytes(len(content))), ("text", b"secret\n")):
            with self.subTest(name):
                self.check_variant(self.store.key, self.replace_by(changed), "key")

    def test_key_readable_by_others(self):
        for mode in (0o644, 0o604, 0o640, 0o602):
            with self.subTest(oct(mode)):
                self.check_variant(self.store.key, lambda path, mode=mode: os.chmod(path, mode),
                                   "key.*chmod")

    def test_key_is_a_directory(self):
        self.check(self.store.key, self.make_directory, "key")

    # A server that has the store open already

    def test_running_server_does_not_need_the_names(self):
        self.check_works("running")
        for path in (self.store.path, self.store.key):
            with self.subTest(path), self.damaged(path, self.move_away):
                self.check_works("running")

    def test_truncated_under_a_running_server(self):
        used = self.used_pages() * PAGE
        with SmtpTalk(self.postfix.ports["running"]) as talk:
            for left in (0, 100, PAGE, used - PAGE):
                for mechanism in MECHANISMS:
                    with self.subTest(f"{left} of {used} bytes, {mechanism}"):
                        talk.transcript.clear()
                        with self.damaged(self.store.path, self.cut(left)):
                            reply = self.attempt(talk, mechanism, self.USER, self.PASSWORD)
                            self.assertTrue(reply.text.startswith(TEMPORARY), talk.dialogue())
                        reply = self.attempt(talk, mechanism, self.USER, "wrong")
                        self.assertEqual(reply.code, 535, talk.dialogue())
            reply = self.attempt(talk, "PLAIN", self.USER, self.PASSWORD)
            self.assertEqual(reply.code, 235, talk.dialogue())

    def test_nothing_was_written(self):
        """Modes and contents are as the tool left them, whatever the servers met."""
        for path in (self.store.path, self.store.path + "-lock", self.store.key):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600, path)
        self.assertEqual(sorted(os.listdir(self.store.directory)),
                         ["key", "users.mdb", "users.mdb-lock"])


if __name__ == "__main__":
    harness.require_ours()
    harness.main()
