# SPDX-License-Identifier: BSD-2-Clause
"""Passwords with every character that some format makes something of, whole from the real tools
of others into a store and out again."""

import base64
import json
import os
import shutil
import subprocess
import unittest

import toolkit

REALM = "example.org"
PASSWORDS = ["a:b,c;d", "$x#y$", "\"quo'te\"", "back\\slash\\", "  lead trail  ", "Gr\u00fc\u00dfe, \u4e16",
             "{PLAIN}x", "%40=", "-dash", "a=b"]


def needs(program):
    """Skips a test without a program of others."""
    return unittest.skipUnless(shutil.which(program), f"no {program}")


class Migration(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()

    def load(self, format_, lines):
        """Imports lines in place of all; every one of them counts."""
        result = self.store.tool("import", "--replace", "--strict", "--format", format_, "-u", REALM,
                                 self.file("input", b"".join(lines)))
        self.assertEqual((result.status, result.err), (0, b""), format_)

    def assert_passwords(self):
        """The accounts u0, u1... have the passwords, and not something near."""
        for i, password in enumerate(PASSWORDS):
            name = f"u{i}@{REALM}"
            self.assert_verifies(self.store, name, password.encode())
            self.assert_verifies(self.store, name, password[:-1].encode(), expected=False)

    def fill(self):
        """The accounts, from tsv."""
        self.load("tsv", [f"u{i}\t{REALM}\t{p}\n".encode() for i, p in enumerate(PASSWORDS)])
        self.assert_passwords()

    def export(self, format_, *options):
        result = self.store.tool("export", "--format", format_, "--with-secrets", *options)
        self.assertEqual(result.status, 0, result)
        return result.out

    def made_by(self, command, password):
        """What a program makes of a password on its command line; these are none of anybody."""
        done = subprocess.run([*command, password], capture_output=True, check=True,
                              timeout=toolkit.SECONDS)
        return done.stdout.removesuffix(b"\n")

    def test_csv(self):
        quoted = ['"' + p.replace('"', '""') + '"' for p in PASSWORDS]
        self.load("csv", [b"password;realm;user\n"] + [
            f"{p};{REALM};u{i}\n".encode() for i, p in enumerate(quoted)])
        self.assert_passwords()

    def test_jsonl_there_and_back(self):
        self.fill()
        lines = self.export("jsonl", "--legacy").splitlines(keepends=True)
        self.load("jsonl", lines)
        self.assertEqual(sorted(self.export("jsonl", "--legacy").splitlines(keepends=True)),
                         sorted(lines))

    def test_ldif_there_and_back(self):
        self.fill()
        self.load("ldif", [self.export("ldif", "--base", "dc=example,dc=org")])
        self.assert_passwords()

    @needs("doveadm")
    def test_from_dovecot(self):
        for scheme in ("PLAIN", "PLAIN.b64", "PLAIN.HEX", "SCRAM-SHA-1", "SCRAM-SHA-256",
                       "SHA512-CRYPT", "BLF-CRYPT", "MD5-CRYPT"):
            passwords = [(i, p) for i, p in enumerate(PASSWORDS) if scheme != "PLAIN" or i != 0]
            lines = [f"u{i}@{REALM}:".encode() +
                     self.made_by(["doveadm", "pw", "-s", scheme, "-r", "5", "-p"], password) +
                     b":1000:1000::/home/u\n"
                     for i, password in passwords]
            if scheme == "PLAIN":  # of which a passwd-file cannot hold one with a colon
                lines.append(f"u0@{REALM}:{{PLAIN.b64}}".encode() +
                             base64.b64encode(PASSWORDS[0].encode()) + b"\n")
            self.load("dovecot", lines)
            self.assert_passwords()

    @needs("doveadm")
    def test_to_dovecot(self):
        self.fill()
        for line in self.export("dovecot").decode().splitlines():
            name, value = line.split(":")[:2]
            password = PASSWORDS[int(name[1:].split("@")[0])]
            self.assertIn(b"(verified)", self.made_by(["doveadm", "pw", "-t", value, "-p"], password))

    @needs("htpasswd")
    def test_from_htpasswd(self):
        for option in ("-B", "-2", "-5"):
            self.load("htpasswd", [
                self.made_by(["htpasswd", "-nb", option, f"u{i}"], p).rstrip(b"\n") + b"\n"
                for i, p in enumerate(PASSWORDS)])
            self.assert_passwords()

    @needs("slappasswd")
    def test_from_slappasswd(self):
        lines = []
        for i, password in enumerate(PASSWORDS):
            value = self.made_by(["slappasswd", "-n", "-h", "{CRYPT}", "-c", "$6$%.12s", "-s"],
                                 password)
            lines.append(f"dn: uid=u{i},dc=example\nuid: u{i}\nuserPassword:: ".encode() +
                         base64.b64encode(value) + b"\n\n")
        self.load("ldif", lines)
        self.assert_passwords()

    @needs("saslpasswd2")
    def test_from_sasldb(self):
        database = os.path.join(self.directory, "sasldb2")
        for i, password in enumerate(PASSWORDS):
            made = toolkit.run(["saslpasswd2", "-f", database, "-p", "-u", REALM, f"u{i}"],
                               password.encode() + b"\n")
            self.assertEqual(made.status, 0, made)
        result = self.store.tool("import", "--replace", "--strict", "--format", "sasldb", database)
        self.assertEqual(result.status, 0, result)
        self.assert_passwords()

    @needs("sqlite3")
    def test_to_sqlite(self):
        self.fill()
        query = b"select username, realm, authPassword from sasl_accounts order by username;\n"
        done = toolkit.run(["sqlite3", "-bail", "-json", ":memory:"], self.export("sql") + query)
        self.assertEqual((done.status, done.err), (0, b""))
        rows = {f"{row['username']}@{row['realm']}": row["authPassword"].split("\n")
                for row in json.loads(done.out)}
        accounts = [json.loads(line) for line in self.export("jsonl").splitlines()]
        self.assertEqual(rows, {f"{a['user']}@{a['realm']}": a["authPassword"] for a in accounts})


if __name__ == "__main__":
    toolkit.main()
