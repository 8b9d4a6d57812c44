# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb export, and import --format jsonl, which reads back what it writes."""

import base64
import hashlib
import hmac
import json
import os
import stat
import unittest

import toolkit


def scram(text):
    """The parts of an RFC 5803 value: scheme, iterations, salt, StoredKey, ServerKey."""
    scheme, parameters, keys = text.split("$")
    iterations, salt = parameters.split(":")
    return (scheme, int(iterations), *map(base64.b64decode, (salt, *keys.split(":"))))


def scram_matches(text, password):
    """Whether an RFC 5803 value belongs to a password, computed without the project."""
    scheme, iterations, salt, stored, server = scram(text)
    name = scheme.removeprefix("SCRAM-").lower().replace("sha-", "sha")
    salted = hashlib.pbkdf2_hmac(name, password, salt, iterations)
    client = hmac.digest(salted, b"Client Key", name)
    return (
        hashlib.new(name, client).digest() == stored
        and hmac.digest(salted, b"Server Key", name) == server
    )


class ExportTest(toolkit.ToolTest):
    """A store with a few accounts of different kinds."""

    def export(self, store, *options, status=0):
        """Runs export --format jsonl; the objects by name, and the result."""
        result = store.tool("export", "--format", "jsonl", *options)
        self.assertEqual(result.status, status, result)
        objects = [json.loads(line) for line in result.out.splitlines()]
        return {f"{o['user']}@{o['realm']}": o for o in objects}, result

    def fill(self, store):
        """Accounts with names and states that are easy to lose."""
        self.set_password(store, "alice@example.org", b"secret: $1,2#3")
        self.set_password(store, "Grüße@example.org", "Motörhead".encode())
        self.set_password(store, 'q"\\uote@b.example', b'"\\')
        self.set_password(store, "carol@other.example", b"pw")
        self.assertEqual(store.tool("disable", "carol@other.example").status, 0)


class Jsonl(ExportTest):
    secrets = ["authPassword", "cmusaslsecretCRAM-MD5", "cmusaslsecretPLAIN",
               "cmusaslsecretDIGEST-MD5", "crypt", "password"]

    def setUp(self):
        super().setUp()
        self.store = self.new_store("--digest-realm", "mail.example", "--digest-realm", "x.example")
        self.fill(self.store)

    def test_nothing_secret_without_with_secrets(self):
        objects, result = self.export(self.store)
        self.assertEqual(result.err, b"")
        self.assertEqual(len(objects), 4)
        alice = objects["alice@example.org"]
        self.assertEqual(
            set(alice),
            {"user", "realm", "disabled", "created", "changed", "expires", "verifiers"},
        )
        self.assertEqual(alice["verifiers"], ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512",
                                              "CRAM-MD5", "DIGEST-MD5", "checkpass"])
        self.assertIs(objects["carol@other.example"]["disabled"], True)

    def test_secrets_are_what_they_should_be(self):
        objects, result = self.export(self.store, "--with-secrets", "--legacy")
        self.assertEqual(result.err, b"")
        alice = objects["alice@example.org"]
        password = b"secret: $1,2#3"
        self.assertEqual([scram(v)[0] for v in alice["authPassword"]],
                         ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
        for value in alice["authPassword"]:
            self.assertTrue(scram_matches(value, password))
            self.assertFalse(scram_matches(value, b"other"))
        check = base64.b64decode(alice["cmusaslsecretPLAIN"])
        self.assertEqual(check[17:], hashlib.md5(check[:16] + b"sasldb" + password).digest())
        self.assertEqual(len(base64.b64decode(alice["cmusaslsecretCRAM-MD5"])), 32)
        self.assertEqual(len(alice["cmusaslsecretDIGEST-MD5"]), 8)
        for digest in alice["cmusaslsecretDIGEST-MD5"]:
            user = b"alice@example.org" if digest["full_name"] else b"alice"
            self.assertEqual(
                digest["ha1"],
                hashlib.md5(b":".join((user, digest["realm"].encode(), password))).hexdigest(),
            )

    def test_legacy_only_when_asked_for(self):
        objects, result = self.export(self.store, "--with-secrets")
        self.assertIn(b"4 of 4 accounts: with legacy verifiers that were left out", result.err)
        for account in objects.values():
            self.assertEqual([key for key in self.secrets if key in account], ["authPassword"])

    def test_one_user_and_one_realm(self):
        objects, _ = self.export(self.store, "--user", "alice@example.org", "--with-secrets")
        self.assertEqual(list(objects), ["alice@example.org"])
        objects, _ = self.export(self.store, "--realm", "Example.ORG")
        self.assertEqual(set(objects), {"alice@example.org", "Grüße@example.org"})
        for options in (["--user", "nobody@example.org"], ["--realm", "no.example"]):
            result = self.store.tool("export", "--format", "jsonl", *options)
            self.assert_one_line(result, 1)
            self.assertEqual(result.out, b"")

    def round_trip(self, target, path):
        """Imports an export and compares two exports of everything."""
        result = self.store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy",
                                 "-o", path)
        self.assertEqual((result.status, result.out, result.err), (0, b"", b""), result)
        result = target.tool("import", "--format", "jsonl", "--strict", path)
        self.assertEqual((result.status, result.err), (0, b""), result)
        self.assertEqual(self.export(target, "--with-secrets", "--legacy")[0],
                         self.export(self.store, "--with-secrets", "--legacy")[0])
        return result

    def test_round_trip(self):
        path = os.path.join(self.directory, "all.jsonl")
        target = self.new_store("--verifiers", "strict", name="second.mdb", key="second.key")
        result = self.round_trip(target, path)
        self.assertIn(b"imported 4 accounts: 4 new", result.out)
        self.assertIn(b"PLAIN 4, LOGIN 4, SCRAM-SHA-1 4, SCRAM-SHA-256 4, SCRAM-SHA-512 4, "
                      b"CRAM-MD5 4, DIGEST-MD5 4, sasl_checkpass 4", result.out)
        self.assert_verifies(target, "alice@example.org", b"secret: $1,2#3")
        self.assert_verifies(target, "alice@example.org", b"secret", expected=False)
        self.assert_verifies(target, "Grüße@example.org", "Motörhead".encode())
        self.assert_verifies(target, 'q"\\uote@b.example', b'"\\')
        self.assert_verifies(target, "carol@other.example", b"pw", expected=False)

    def test_an_account_becomes_what_its_line_says(self):
        path = os.path.join(self.directory, "all.jsonl")
        target = self.new_store(name="second.mdb", key="second.key")
        self.set_password(target, "alice@example.org", b"old")
        self.set_password(target, "carol@other.example", b"old")
        target.tool("disable", "alice@example.org")
        result = self.round_trip(target, path)
        self.assertIn(b"2 new, 2 replaced", result.out)
        self.assert_verifies(target, "alice@example.org", b"secret: $1,2#3")

    def test_passwords_in_jsonl(self):
        lines = [{"user": "a", "realm": "r.example", "password": "p: ,$#"},
                 {"user": "b@r.example", "password": "q", "disabled": True,
                  "expires": "2999-01-01T00:00:00Z"}]
        path = self.file("in.jsonl", "\n".join(map(json.dumps, lines)).encode())
        result = self.store.tool("import", "--format", "jsonl", path)
        self.assertEqual((result.status, result.err), (0, b""), result)
        self.assert_verifies(self.store, "a@r.example", b"p: ,$#")
        account = self.store.accounts()["b@r.example"]
        self.assertEqual((account["disabled"], account["expires"]), (True, "2999-01-01T00:00:00Z"))

    def test_bad_lines(self):
        good = self.export(self.store, "--with-secrets", "--legacy", "--user",
                           "alice@example.org")[0]["alice@example.org"]
        good["user"] = "new"

        def changed(**members):
            return json.dumps({**good, **members})

        digest = good["cmusaslsecretDIGEST-MD5"]
        scrams = good["authPassword"]
        bad = [
            ("{", "not JSON"), ("[]", "\"user\""), ("null", "not JSON"), ("{}", "\"user\""),
            ('{"user":"a","user":"b"}', "not JSON"), ("x" * 70000, "too long"),
            (json.dumps({"user": "a", "realm": "r.example"}), "no verifiers"),
            (changed(user=1), "\"user\""), (changed(realm=None), "\"user\""),
            (changed(user=""), "empty"), (changed(user="a@b"), "\"@\""),
            (changed(disabled=1), "disabled"), (changed(expires=0), "expires"),
            (changed(expires="2026-02-30"), "expires"), (changed(created="yesterday"), "created"),
            (changed(changed="2026-01-01T00:00:00"), "changed"),
            (changed(password="x"), "both"), (changed(cmusaslsecretOTP="x"), "cmusaslsecretOTP"),
            (changed(crypt=""), "crypt"), (changed(crypt="x" * 400), "crypt"),
            (changed(crypt="a\u0007b"), "crypt"), (changed(authPassword=scrams[0]), "authPassword"),
            (changed(authPassword=[scrams[0], scrams[0]]), "authPassword"),
            (changed(authPassword=[scrams[0][:-4]]), "authPassword"),
            (changed(authPassword=["SCRAM-MD5$1:YQ==$YQ==:YQ=="]), "authPassword"),
            (changed(**{"cmusaslsecretCRAM-MD5": "AAAA"}), "CRAM-MD5"),
            (changed(**{"cmusaslsecretCRAM-MD5": "*"}), "CRAM-MD5"),
            (changed(**{"cmusaslsecretPLAIN": base64.b64encode(b"x" * 34).decode()}), "PLAIN"),
            (changed(**{"cmusaslsecretDIGEST-MD5": digest + digest[:1]}), "DIGEST-MD5"),
            (changed(**{"cmusaslsecretDIGEST-MD5": [{**digest[0], "ha1": "00"}]}), "DIGEST-MD5"),
            (changed(**{"cmusaslsecretDIGEST-MD5": [{**digest[0], "realm": "A B"}]}), "DIGEST-MD5"),
            (changed(**{"cmusaslsecretDIGEST-MD5": [{**digest[0], "extra": 1}]}), "DIGEST-MD5"),
            (changed(**{"cmusaslsecretDIGEST-MD5": [
                {**digest[0], "realm": f"r{i}"} for i in range(9)]}), "DIGEST-MD5"),
        ]
        before = self.store.names()
        path = self.file("bad.jsonl", "\n".join(line for line, _ in bad).encode())
        result = self.store.tool("import", "--format", "jsonl", path)
        self.assertEqual(result.status, 1, result)
        said = result.err.decode().splitlines()
        self.assertEqual(len(said), len(bad), said)
        for number, (one, (_, word)) in enumerate(zip(said, bad), start=1):
            self.assertTrue(one.startswith(f"sasl-lmdb: import: line {number}: "), one)
            self.assertIn(word, one)
        self.assertEqual(self.store.names(), before)
        for secret in scrams + [digest[0]["ha1"]]:
            self.assertNotIn(secret[-10:].encode(), result.err)


class Output(ExportTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store("--verifiers", "scram-sha-256")
        self.fill(self.store)

    def test_a_new_file_is_private_and_an_old_one_stays(self):
        path = os.path.join(self.directory, "out.jsonl")
        command = ("export", "--format", "jsonl", "--with-secrets", "-o", path)
        self.assertEqual(self.store.tool(*command).status, 0)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        before = toolkit.contents(path)
        self.assertEqual(before.count(b"SCRAM-SHA-256$"), 4)
        self.assert_one_line(self.store.tool(*command), 1, path, "exists")
        self.assertEqual(toolkit.contents(path), before)

    def test_a_redirected_file_becomes_private(self):
        path = self.file("shell.jsonl", b"", mode=0o644)
        for secrets, mode in (([], 0o644), (["--with-secrets"], 0o600)):
            with open(path, "wb") as out:
                done = toolkit.subprocess.run(
                    self.store.command("export", "--format", "jsonl", *secrets),
                    stdout=out, stderr=toolkit.subprocess.PIPE, timeout=toolkit.SECONDS,
                )
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)

    def test_a_terminal_is_refused(self):
        terminal = toolkit.Terminal(
            self.store.command("export", "--format", "jsonl", "--with-secrets")
        )
        self.addCleanup(terminal.close)
        status, said = terminal.finish()
        self.assertEqual(status, 1)
        self.assertIn(b"terminal", said)
        self.assertNotIn(b"SCRAM-SHA-256$", said)

    def test_a_full_disk(self):
        with open("/dev/full", "wb") as full:
            done = toolkit.subprocess.run(
                self.store.command("export", "--format", "jsonl"),
                stdout=full, stderr=toolkit.subprocess.PIPE, timeout=toolkit.SECONDS,
            )
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"No space left", done.stderr)

    def test_nothing_is_left_of_a_failed_export(self):
        path = os.path.join(self.directory, "out.jsonl")
        os.chmod(self.store.key, 0o644)
        result = self.store.tool("export", "--format", "jsonl", "--with-secrets", "-o", path)
        self.assert_one_line(result, 3)
        self.assertFalse(os.path.exists(path))

    def test_usage(self):
        for arguments, word in (
            ([], "--format"), (["--format", "xml"], "xml"),
            (["--format", "jsonl", "file"], "arguments"),
            (["--format", "jsonl", "--legacy"], "--with-secrets"),
            (["--format", "jsonl", "--user", "a@b", "--realm", "b"], "exclude"),
        ):
            self.assert_one_line(self.store.tool("export", *arguments), 2, word)


if __name__ == "__main__":
    toolkit.main()
