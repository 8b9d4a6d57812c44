# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb export, and import --format jsonl, which reads back what it writes."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
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
        self.assertNotIn("verifiers", alice)  # there is nothing that it does not show
        for value in alice["authPassword"]:
            self.assertTrue(scram_matches(value, password))
            self.assertFalse(scram_matches(value, b"other"))
        check = base64.b64decode(alice["cmusaslsecretPLAIN"])
        self.assertEqual(check[17:], hashlib.md5(check[:16] + b"sasldb" + password).digest())
        self.assertEqual(len(base64.b64decode(alice["cmusaslsecretCRAM-MD5"])), 32)
        self.assertEqual(len(alice["cmusaslsecretDIGEST-MD5"]), 8)
        for digest in alice["cmusaslsecretDIGEST-MD5"]:
            user = b"alice@example.org" if digest.get("full_name") else b"alice"
            self.assertEqual(
                digest["ha1"],
                hashlib.md5(b":".join((user, digest["realm"].encode(), password))).hexdigest(),
            )

    def test_legacy_only_when_asked_for(self):
        objects, result = self.export(self.store, "--with-secrets")
        self.assertIn(b"4 of 4 accounts: with legacy verifiers that were left out", result.err)
        for account in objects.values():
            self.assertEqual([key for key in self.secrets if key in account], ["authPassword"])
            self.assertIn("CRAM-MD5", account["verifiers"])

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
        digests = self.export(target, "--with-secrets", "--legacy")[0]["Grüße@example.org"][
            "cmusaslsecretDIGEST-MD5"]
        self.assertEqual({(d.get("latin1"), d.get("utf8_names")) for d in digests},
                         {(None, None), (True, None), (True, True)})
        self.assert_verifies(target, 'q"\\uote@b.example', b'"\\')
        self.assert_verifies(target, "carol@other.example", b"pw", expected=False)

    def test_digests_of_one_spelling_come_side_by_side(self):
        account = self.export(self.store, "--with-secrets", "--legacy")[0]["Grüße@example.org"]
        digests = account["cmusaslsecretDIGEST-MD5"]
        digests.sort(key=lambda d: [name in d for name in ("latin1", "utf8_names", "full_name")])
        path = self.file("mixed.jsonl", json.dumps(account).encode())
        target = self.new_store(name="second.mdb", key="second.key")
        result = target.tool("import", "--format", "jsonl", "--strict", path)
        self.assertEqual((result.status, result.err), (0, b""), result)
        got = self.export(target, "--with-secrets", "--legacy")[0]["Grüße@example.org"][
            "cmusaslsecretDIGEST-MD5"]
        spellings = [(d["realm"], "full_name" in d) for d in got]
        self.assertEqual(len([s for i, s in enumerate(spellings) if s not in spellings[:i]]),
                         len([s for i, s in enumerate(spellings) if spellings[i - 1:i] != [s]]))
        self.assertCountEqual(map(json.dumps, got), map(json.dumps, digests))

    def test_what_a_digest_says_of_itself(self):
        """A member that is missing is false, and a false one is not written."""
        account = self.export(self.store, "--with-secrets", "--legacy")[0]["Grüße@example.org"]
        key = "cmusaslsecretDIGEST-MD5"
        names = ("full_name", "latin1", "utf8_names")
        self.assertEqual({d.get(name) for d in account[key] for name in names}, {None, True})
        spelled_out = {**account, key: [{**dict.fromkeys(names, False), **d} for d in account[key]]}
        target = self.new_store(name="second.mdb", key="second.key")
        result = target.tool("import", "--format", "jsonl", "--strict",
                             self.file("spelled-out.jsonl", json.dumps(spelled_out).encode()))
        self.assertEqual((result.status, result.err), (0, b""), result)
        got = self.export(target, "--with-secrets", "--legacy")[0]["Grüße@example.org"]
        self.assertEqual(got[key], account[key])
        for wrong in ({"full_name": None}, {"latin1": 0}, {"utf8_names": True}, {"other": False}):
            bad = {**account, key: [{"realm": "", "ha1": "0" * 32, **wrong}]}
            result = target.tool("import", "--format", "jsonl", "--strict",
                                 self.file("wrong.jsonl", json.dumps(bad).encode()))
            self.assertEqual(result.status, 1, (wrong, result))
            self.assertIn(b"each spelling once", result.err, wrong)

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
            (changed(crypt="x:0:0::/root:"), "crypt"), (changed(crypt="$2b$31$" + "x" * 53), "costs"),
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


class Formats(ExportTest):
    """What other servers are given, read by their own programs where these are there."""

    password = b"pa: ss,$w#rd'"

    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        self.set_password(self.store, "alice@example.org", self.password)
        self.set_password(self.store, "o'neill, +x@example.org", self.password)
        self.set_password(self.store, "Grüße@example.org", self.password)
        self.set_password(self.store, "off@example.org", self.password)
        self.set_password(self.store, "old@example.org", self.password)
        self.set_password(self.store, "soon@example.org", self.password)
        self.set_password(self.store, "digest@example.org", self.password)
        for arguments in (["disable", "off@example.org"],
                          ["set", "--expires", "2001-01-01", "old@example.org"],
                          ["set", "--expires", "2999-01-01", "soon@example.org"]):
            self.assertEqual(self.store.tool(*arguments).status, 0)

    def text(self, format_, *options, status=0, store=None):
        """Runs an export; its output as text, and what was said."""
        result = (store or self.store).tool("export", "--format", format_, *options)
        self.assertEqual(result.status, status, result)
        return result.out.decode(), result.err.decode()

    def assert_nothing_secret(self, text):
        """No verifier of alice's is in it, in any spelling."""
        alice = self.export(self.store, "--with-secrets", "--legacy")[0]["alice@example.org"]
        for value in alice["authPassword"]:
            for part in scram(value)[2:]:
                for form in (base64.b64encode(part).decode(), part.hex()):
                    self.assertNotIn(form, text)
        self.assertNotIn("SCRAM", text)

    def drop_strong(self, *names):
        """Leaves the legacy verifiers only."""
        for name in names:
            result = self.store.tool("set", "--drop", "scram-sha-1,scram-sha-256,scram-sha-512",
                                     name)
            self.assertEqual(result.status, 0, result)

    def dovecot(self, *options):
        """A passwd-file's second fields by its first ones, and what was said."""
        text, said = self.text("dovecot", *options)
        return dict(line.split(":")[:2] for line in text.splitlines()), said

    def test_dovecot(self):
        users, said = self.dovecot()
        self.assertIn("without --with-secrets nobody can log in", said)
        self.assertEqual(set(users.values()), {"{CRYPT}*"})
        self.assertEqual(len(users), 7)
        users, said = self.dovecot("--with-secrets")
        self.assertIn("2 of 7 accounts: disabled or expired", said)
        self.assertIn("1 of 7 accounts: going to expire", said)
        self.assertEqual({name for name, value in users.items() if value == "{CRYPT}*"},
                         {"off@example.org", "old@example.org"})
        scheme, value = users["alice@example.org"].split("}")
        iterations, salt, stored, server = value.split(",")
        self.assertEqual(scheme, "{SCRAM-SHA-256")
        self.assertTrue(scram_matches(f"SCRAM-SHA-256${iterations}:{salt}${stored}:{server}",
                                      self.password))

    def test_dovecot_takes_the_next_best(self):
        for drop, scheme, options in (
            ("scram-sha-256", "SCRAM-SHA-1", []), ("scram-sha-1,scram-sha-512", "CRAM-MD5", ["--legacy"]),
            ("cram-md5", "DIGEST-MD5", ["--legacy"]), ("digest-md5", "CRYPT", ["--legacy"]),
        ):
            self.assertEqual(self.store.tool("set", "--drop", drop, "alice@example.org").status, 0)
            value = self.dovecot("--with-secrets", *options)[0]["alice@example.org"]
            self.assertTrue(value.startswith("{" + scheme + "}"), value)
            if scheme == "DIGEST-MD5":
                self.assertEqual(value[12:], hashlib.md5(
                    b"alice:example.org:" + self.password).hexdigest())
        self.assertEqual(value, "{CRYPT}*")

    def test_dovecot_cannot_hold_every_name(self):
        self.set_password(self.store, "a:b@example.org", b"x")
        self.set_password(self.store, "#a@example.org", b"x")
        text, said = self.text("dovecot", status=1)
        self.assertEqual(len(text.splitlines()), 7)
        self.assertIn("a:b@example.org: a passwd-file cannot hold", said)
        self.assertIn("2 of 9 accounts: refused", said)

    def test_dovecot_there_and_back(self):
        self.drop_strong("digest@example.org")
        self.store.tool("set", "--drop", "cram-md5", "digest@example.org")
        self.drop_strong("soon@example.org")
        text, _ = self.text("dovecot", "--with-secrets", "--legacy")
        target = self.new_store(name="2.mdb", key="2.key")
        result = target.tool("import", "--format", "dovecot", "-", stdin=text.encode())
        self.assertIn(b"2 locked accounts left out", result.out)
        self.assertEqual(result.status, 0, result)
        self.assert_verifies(target, "alice@example.org", self.password)
        there = self.export(self.store, "--with-secrets", "--legacy")[0]
        back = self.export(target, "--with-secrets", "--legacy")[0]
        self.assertEqual(back["soon@example.org"]["cmusaslsecretCRAM-MD5"],
                         there["soon@example.org"]["cmusaslsecretCRAM-MD5"])
        digest, = back["digest@example.org"]["cmusaslsecretDIGEST-MD5"]
        self.assertIn(digest, there["digest@example.org"]["cmusaslsecretDIGEST-MD5"])

    @unittest.skipUnless(shutil.which("doveadm"), "no dovecot-core")
    def test_dovecot_itself_agrees(self):
        self.drop_strong("soon@example.org", "digest@example.org")
        self.store.tool("set", "--drop", "cram-md5", "digest@example.org")
        users, _ = self.dovecot("--with-secrets", "--legacy")
        for name, scheme in (("alice@example.org", "{SCRAM-SHA-256}"),
                             ("soon@example.org", "{CRAM-MD5}"),
                             ("digest@example.org", "{DIGEST-MD5}")):
            self.assertTrue(users[name].startswith(scheme), users[name])
            for password, expected in ((self.password, True), (b"wrong", False)):
                # The hash of a throw-away account and a test's password: no secret.
                done = toolkit.run(["doveadm", "-O", "pw", "-u", name, "-t", users[name],
                                    "-p", password])
                self.assertEqual(done.status == 0, expected, (name, done))

    def test_sql(self):
        self.set_password(self.store, "back\\slash@example.org", b"x")
        for options in ([], ["--with-secrets"]):
            text, said = self.text("sql", *options, status=1)
            self.assertIn("backslash", said)
            self.assertEqual("without --with-secrets nobody can log in" in said, not options)
            database = sqlite3.connect(":memory:", isolation_level=None)
            for _ in range(2):  # again changes nothing
                database.executescript(text)
            rows = {f"{user}@{realm}": value for user, realm, value in database.execute(
                "SELECT username, realm, authPassword FROM sasl_accounts")}
            database.close()
            self.assertEqual(len(rows), 7)
            if not options:
                self.assertEqual(set(rows.values()), {None})
                continue
            self.assertIsNone(rows["off@example.org"])
            self.assertIsNone(rows["old@example.org"])
            for name in ("alice@example.org", "o'neill, +x@example.org", "Grüße@example.org"):
                values = rows[name].split("\n")
                self.assertEqual([scram(value)[0] for value in values],
                                 ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
                for value in values:
                    self.assertTrue(scram_matches(value, self.password))
        self.assert_one_line(
            self.store.tool("export", "--format", "sql", "--with-secrets", "--legacy"), 2, "legacy")

    def test_ldif(self):
        text, said = self.text("ldif", "--base", "ou=people,dc=example,dc=org")
        self.assertEqual(said, "sasl-lmdb: export: note: without --with-secrets nobody can log in "
                               "with this file\n")
        self.assertEqual(("\n" + text).count("\ndn:"), 7)
        self.assert_nothing_secret(text)
        self.assertNotIn("cmusaslsecret", text)
        text, said = self.text("ldif", "--base", "dc=x", "--with-secrets")
        self.assertIn("7 of 7 accounts: with legacy verifiers that were left out", said)
        self.assertLessEqual(max(map(len, text.splitlines())), 76)
        self.assertNotIn("cmusaslsecret", text)
        self.assertIn("dn: uid=o'neill\\, \\+x@example.org,dc=x\n", text)
        target = self.new_store(name="2.mdb", key="2.key")
        result = target.tool("import", "--format", "ldif", "-", stdin=text.encode())
        self.assertEqual(result.status, 1, result)
        self.assertIn(b"imported 5 accounts: 5 new, 0 replaced; 2 lines skipped", result.out)
        there = self.export(self.store, "--with-secrets")[0]
        back = self.export(target, "--with-secrets")[0]
        for name, account in back.items():
            self.assertEqual(account["authPassword"], there[name]["authPassword"])
        for options in (["--base", ""], []):
            self.assert_one_line(self.store.tool("export", "--format", "ldif", *options), 2, "--base")
        self.assert_one_line(self.store.tool("export", "--format", "sql", "--base", "x"), 2, "LDIF")

    @unittest.skipUnless(os.access("/usr/sbin/slapadd", os.X_OK), "no slapd")
    def test_openldap_takes_it(self):
        crypt = self.file("passwd", b"crypt@example.org:$6$salt$" + b"x" * 86 + b"\n")
        self.assertEqual(self.store.tool("import", "--format", "htpasswd", crypt).status, 0)
        text, _ = self.text("ldif", "--base", "ou=a\\,b,dc=example,dc=org", "--with-secrets",
                            "--legacy")
        top = ("dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n"
               "dn: ou=a\\,b,dc=example,dc=org\nobjectClass: organizationalUnit\nou: a,b\n")
        os.mkdir(os.path.join(self.directory, "db"))
        schema = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "packaging",
                              "openldap", "sasl-lmdb.schema")
        conf = self.file("slapd.conf", f"""
            include /etc/ldap/schema/core.schema
            include /etc/ldap/schema/cosine.schema
            include {schema}
            modulepath /usr/lib/ldap
            moduleload back_mdb
            database mdb
            suffix dc=example,dc=org
            directory {self.directory}/db
            """.replace("\n            ", "\n").encode())
        for entries in (top.encode(), text.encode()):
            done = toolkit.run(["/usr/sbin/slapadd", "-q", "-f", conf], stdin=entries)
            self.assertEqual(done.status, 0, done)
        done = toolkit.run(["/usr/sbin/slapcat", "-f", conf])
        target = self.new_store(name="2.mdb", key="2.key")
        result = target.tool("import", "--format", "ldif", "-", stdin=done.out)
        self.assertIn(b"imported 6 accounts", result.out)
        there = self.export(self.store, "--with-secrets")[0]
        back = self.export(target, "--with-secrets")[0]
        for name, account in back.items():
            for key in ("authPassword", "crypt"):
                self.assertEqual(sorted(account.get(key, [])), sorted(there[name].get(key, [])))


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

    def test_whoever_starts_it_ignores_children(self):
        """The verb has one, and has to see how it ends."""
        for arguments in (("list",), ("check",), ("export", "--format", "jsonl")):
            result = toolkit.run(
                self.store.command(*arguments),
                preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
            self.assertEqual((result.status, result.err), (0, b""), arguments)

    def left(self, path):
        """What is there under that name, or one that begins like it: names and sizes."""
        sizes = {}
        for name in os.listdir(self.directory):
            if name.startswith(os.path.basename(path)):
                try:
                    sizes[name] = os.stat(os.path.join(self.directory, name)).st_size
                except FileNotFoundError:
                    pass  # it has just got another name
        return sizes

    def break_off(self, arguments, path, number):
        """Ends a verb by a signal while it writes: its status, and what it said. One that was
        quicker than the signal, or was giving the file its name, does not count."""
        for _ in range(100):
            with subprocess.Popen(self.store.command(*arguments), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE) as process:
                while process.poll() is None and not any(self.left(path).values()):
                    pass
                process.send_signal(number)
                said = process.stderr.read()
                status = process.wait(toolkit.SECONDS)
            if status in (3, -signal.SIGKILL) and os.path.basename(path) not in self.left(path):
                return status, said
            for name in self.left(path):
                os.unlink(os.path.join(self.directory, name))
        raise AssertionError(f"signal {number} never came in time for {arguments}")

    def test_what_is_broken_off_has_not_the_name(self):
        """Half a file would be taken for a whole one."""
        hashed = b"$6$salt$" + b"x" * 86
        lines = b"".join(b"user%d:%s:1::::::\n" % (i, hashed) for i in range(5000))
        result = self.store.tool("import", "--format", "shadow", "-u", "big.example", "-",
                                 stdin=lines)
        self.assertEqual(result.status, 0, result)
        path = os.path.join(self.directory, "half")
        for arguments in (("export", "--format", "jsonl", "-o", path), ("backup", path)):
            for number in (signal.SIGTERM, signal.SIGKILL):
                with self.subTest(arguments=arguments, number=number):
                    status, said = self.break_off(arguments, path, number)
                    if number == signal.SIGTERM:
                        said_so = f"sasl-lmdb: {arguments[0]}: interrupted by signal 15\n".encode()
                        self.assertEqual((status, said, self.left(path)), (3, said_so, {}))
                    else:
                        self.assertEqual((status, said), (-number, b""))
                        (name,) = self.left(path)
                        self.assertRegex(name, r"\Ahalf\.[0-9a-f]{16}\Z")
                        os.unlink(os.path.join(self.directory, name))

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
