# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb init: files, modes, defaults, and what it says about them."""

import grp
import json
import os
import resource
import stat

import toolkit

SCRAM = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
LEGACY = ["CRAM-MD5", "DIGEST-MD5", "checkpass"]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Init(toolkit.ToolTest):
    def init(self, *options, **keywords):
        self.store = toolkit.Store(self.directory)
        return self.store.tool("init", *options, **keywords)

    def modes(self):
        return [mode(path) for path in (self.store.path, self.store.lock, self.store.key)]

    def test_defaults(self):
        result = self.init()
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.modes(), [0o600, 0o600, 0o600])
        for text in (self.store.path, self.store.lock, self.store.key, "0600", "10000"):
            self.assertIn(text.encode(), result.out)
        for kind in SCRAM + LEGACY:
            self.assertIn(kind.encode(), result.out)
        self.assertIn(b"--verifiers strict", result.out)
        self.assertIn(b"as with passwords", result.out)
        self.assertEqual(result.err, b"")

    def test_strict(self):
        result = self.init("--verifiers", "strict")
        self.assertEqual(result.status, 0, result)
        self.assertIn(b"20000", result.out)
        self.assertNotIn(b"MD5", result.out)
        self.set_password(self.store, "a@example.org", b"secret")
        account = self.store.accounts()["a@example.org"]
        self.assertEqual(account["verifiers"], SCRAM)
        self.assertEqual(account["class"], "strict")
        self.assertEqual(set(account["iterations"].values()), {20000})

    def test_strict_with_iterations(self):
        result = self.init("--iterations", "5000", "--verifiers", "strict", "--json")
        self.assertEqual(result.status, 0, result)
        self.assertEqual(json.loads(result.out)["iterations"], 5000)

    def test_verifier_lists(self):
        for text, expected in (
            ("scram-sha-256", ["SCRAM-SHA-256"]),
            ("cram-md5,scram-sha-1,cram-md5", ["SCRAM-SHA-1", "CRAM-MD5"]),
            ("SCRAM-SHA-512,Digest-MD5", ["SCRAM-SHA-512", "DIGEST-MD5"]),
            ("strict,checkpass", SCRAM + ["checkpass"]),
            ("default", SCRAM + LEGACY),
        ):
            store = self.new_store("--verifiers", text, name=f"{text}.mdb", key=f"{text}.key")
            self.set_password(store, "a@example.org", b"secret")
            account = store.accounts()["a@example.org"]
            self.assertEqual(account["verifiers"], expected, text)
            legacy = any(kind in LEGACY for kind in expected)
            self.assertEqual(account["class"], "legacy" if legacy else "strict")

    def test_without_scram_says_what_will_not_work(self):
        result = self.init("--verifiers", "cram-md5")
        self.assertEqual(result.status, 0, result)
        self.assertIn(b"PLAIN and LOGIN", result.out)

    def test_group(self):
        group = grp.getgrgid(os.getgid()).gr_name
        for name in (group, str(os.getgid())):
            store = toolkit.Store(self.directory, f"{name}.mdb", f"{name}.key")
            self.store = store
            old = os.umask(0o077)
            result = store.tool("init", "--group", name)
            os.umask(old)
            self.assertEqual(result.status, 0, result)
            self.assertEqual(self.modes(), [0o640, 0o660, 0o640])
            self.assertIn(b"0640", result.out)
            self.assertIn(b"0660", result.out)

    def test_modes_do_not_follow_the_umask(self):
        old = os.umask(0)
        result = self.init()
        os.umask(old)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.modes(), [0o600, 0o600, 0o600])

    def test_digest_realms_that_no_record_has_room_for(self):
        realms = [chr(97 + i) * 255 for i in range(8)]
        options = [word for realm in realms for word in ("--digest-realm", realm)]
        result = self.init(*options)
        self.assert_one_line(result, 1, "DIGEST-MD5 realms are", "too long together")
        self.assertEqual(os.listdir(self.directory), [])
        # Without DIGEST-MD5 verifiers no record holds them.
        result = self.init("--verifiers", "strict", *options)
        self.assertEqual(result.status, 0, result)

    def test_digest_realms_that_every_record_has_room_for(self):
        excess = 0
        for fits in (False, True):
            lengths = [255] * 5 + [255 - excess // 2, 255 - (excess + 1) // 2]
            realms = [chr(97 + i) * n for i, n in enumerate(lengths)]
            options = [word for realm in realms for word in ("--digest-realm", realm)]
            result = self.init(*options)
            if not fits:
                self.assertEqual(result.status, 1, result)
                excess = int(result.err.split(b"realms are ")[1].split()[0])
        self.assertEqual(result.status, 0, result)
        name = "\u00e9" * 127 + "u" + "@" + "r" * 255
        result = self.store.passwd("-p", "-c", name, stdin="\u00e9\n".encode())
        self.assertEqual(result.status, 0, result)

    def test_digest_realms(self):
        result = self.init("--digest-realm", "Mail.Example.ORG", "--digest-realm", "mail.example.org")
        self.assertEqual(result.status, 0, result)
        self.assertIn(b"mail.example.org", result.out)
        self.assertNotIn(b"Mail", result.out)
        self.set_password(self.store, "a@example.org", b"secret")
        shown = self.store.tool("show", "a@example.org")
        self.assertEqual(shown.out.count(b'in realm "mail.example.org"'), 2, shown)
        self.assertEqual(shown.out.count(b'in realm "example.org"'), 2, shown)
        self.assertEqual(shown.out.count(b'in realm ""'), 2, shown)

    def test_json(self):
        result = self.init("--json", "--digest-realm", "x.example")
        self.assertEqual((result.status, result.err), (0, b""))
        said = json.loads(result.out)
        self.assertEqual(said["store"], self.store.path)
        self.assertEqual(said["key"], self.store.key)
        self.assertEqual(said["iterations"], 10000)
        self.assertEqual(said["class"], "legacy")
        self.assertEqual(said["digest_realms"], ["x.example"])
        self.assertNotIn("group", said)

    def test_twice(self):
        self.assertEqual(self.init().status, 0)
        before = self.store.digests()
        result = self.init()
        self.assert_one_line(result, 1, "init", self.store.path)
        self.assertEqual(self.store.digests(), before)

    def test_a_second_store_shares_the_key_file(self):
        first = self.new_store(name="one.mdb")
        self.set_password(first, "a@example.org", b"secret")
        second = toolkit.Store(self.directory, "two.mdb")
        result = second.tool("init")
        self.assertEqual(result.status, 0, result)
        self.assertIn(b"added a key", result.out)
        self.assertEqual(first.names(), ["a@example.org: userPassword"])
        self.assertEqual(second.names(), [])

    def test_where_nothing_can_be_made(self):
        store = toolkit.Store(os.path.join(self.directory, "missing"))
        self.assert_one_line(store.tool("init"), 3, "init")
        self.assertEqual(os.listdir(self.directory), [])

    def test_where_the_key_cannot_be_made(self):
        store = toolkit.Store(self.directory)
        store.key = os.path.join(self.directory, "missing", "key")
        self.assert_one_line(store.tool("init"), 3, "init")
        self.assertEqual(os.listdir(self.directory), [])

    def test_over_a_damaged_key_file(self):
        key = self.file("key", b"1 zzzz not a key\n")
        result = self.init()
        self.assert_one_line(result, 3, "init")
        self.assertEqual(os.listdir(self.directory), ["key"])
        self.assertEqual(toolkit.contents(key), b"1 zzzz not a key\n")

    def test_over_an_exposed_key_file(self):
        first = self.new_store(name="one.mdb")
        before = toolkit.contents(first.key)
        os.chmod(first.key, 0o644)
        result = toolkit.Store(self.directory, "two.mdb").tool("init")
        self.assert_one_line(result, 3, "init", "chmod")
        self.assertEqual(sorted(os.listdir(self.directory)), ["key", "one.mdb", "one.mdb-lock"])
        self.assertEqual(toolkit.contents(first.key), before)

    def test_a_key_file_without_a_key_is_left_alone(self):
        for contents, mode in ((b"", 0o666), (b"# keys of the mail servers\n", 0o644)):
            key = self.file("key", contents, mode)
            before = os.stat(key)
            self.assert_one_line(self.init(), 3, "init", "chmod", key)
            after = os.stat(key)
            self.assertEqual(os.listdir(self.directory), ["key"])
            self.assertEqual(toolkit.contents(key), contents)
            self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))
            os.chmod(key, 0o600)  # what the message says
            self.assertEqual(self.init().status, 0)
            self.assertTrue(toolkit.contents(key).startswith(contents + b"1 "))
            for path in (self.store.path, self.store.lock):
                os.unlink(path)

    def test_a_key_file_stays_when_the_store_cannot_be_made(self):
        for contents in (b"", b"# keys of the mail servers\n"):
            key = self.file("key", contents)
            for group in ([], ["--group", str(os.getgid())]):
                # The key file can be written, the larger data file cannot.
                result = self.init(
                    *group, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
                )
                self.assert_one_line(result, 3, "init")
                self.assertEqual(os.listdir(self.directory), ["key"])
                self.assertEqual(toolkit.contents(key), contents)
                self.assertEqual(os.stat(key).st_mode & 0o7777, 0o600)


if __name__ == "__main__":
    toolkit.main()
