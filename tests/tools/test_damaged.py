#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A store with records that cannot be read: the verbs that go through all accounts do their work
on the others, say which ones are missing, and fail in the end."""

import json
import os
import re
import struct

import toolkit

ACCOUNTS = 20
REALM = "example.org"
HEAD = b"\1\0\0\0\0\0\0\1"  # of a record: version, flags, reserved, key id; in free pages too
SEALED = 48  # here the sealed part of a record begins with the name


class Damaged(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        lines = b"".join(b"user%d\t%s\tpw %d\n" % (i, REALM.encode(), i) for i in range(ACCOUNTS))
        lines += b"alone\tother.example\tpw\n"
        result = self.store.tool("import", "--format", "tsv", "-", stdin=lines)
        self.assertEqual(result.status, 0, result)

    def damage(self, change):
        """Applies change(bytearray, offset of a record) where check then finds one record damaged;
        returns the finding."""
        good = toolkit.contents(self.store.path)
        at = good.find(HEAD)
        before = len(self.findings())
        while at > 0:
            bad = bytearray(good)
            change(bad, at)
            self.overwrite(bad)
            findings = self.findings()
            if len(findings) == before + 1:
                return [f for f in findings if f["key"] not in self.known][0]
            at = good.find(HEAD, at + 1)
        raise AssertionError("no record of a user found")

    known = ()

    def overwrite(self, data):
        with open(self.store.path, "r+b") as file:
            file.write(data)

    def findings(self):
        return json.loads(self.store.tool("check", "--json").out)["findings"]

    def damage_two(self):
        """One record whose name can be told still, and one whose cannot: name, place."""

        def one_bit(data, at):
            data[at + 400] ^= 4

        def name(data, at):
            data[at + SEALED : at + SEALED + 16] = bytes(16)

        named = self.damage(one_bit)
        self.known = (named["key"],)
        nameless = self.damage(name)
        self.assertIsNone(nameless["user"])
        return f"{named['user']}@{named['realm']}", nameless["key"]

    def assert_named(self, result, name, place, *words):
        """Both are named on standard error, and the last line sums up."""
        self.assertEqual(result.status, 3, result)
        lines = toolkit.as_lines(result.err).decode().splitlines()
        self.assertEqual(len([l for l in lines if f": {name}: its record is damaged" in l]), 1)
        self.assertEqual(len([l for l in lines if f": record {place}, whose name " in l]), 1)
        for word in (f"2 of {ACCOUNTS + 1} accounts", "sasl-lmdb restore", *words):
            self.assertIn(word, lines[-1])

    def test_list(self):
        name, place = self.damage_two()
        result = self.store.tool("list", "--plain")
        self.assert_named(result, name, place, "not in the list")
        self.assertEqual(len(result.out.splitlines()), ACCOUNTS - 1)
        self.assertNotIn(name.encode(), result.out)
        result = self.store.tool("list", "--json")
        self.assert_named(result, name, place)
        self.assertEqual(len(json.loads(result.out)), ACCOUNTS - 1)
        result = self.store.tool("list")
        self.assert_named(result, name, place)
        self.assertEqual(len(result.out.splitlines()), ACCOUNTS)  # and the headings
        result = self.store.tool("list", "--realm", name.partition("@")[2])
        self.assertEqual(result.status, 3, result)
        self.assertIn(f"{name}: its record is damaged".encode(), result.err)

    def test_export(self):
        name, place = self.damage_two()
        for form in (["jsonl"], ["dovecot"], ["sql"], ["ldif", "--base", "dc=example"]):
            path = os.path.join(self.directory, form[0])
            options = ["export", "--with-secrets", "--format", *form]
            result = self.store.tool(*options, "--json", "-o", path)
            self.assert_named(result, name, place, "not exported")
            said = json.loads(result.out)
            self.assertEqual((said["ok"], said["accounts"], said["damaged"]),
                             (False, ACCOUNTS - 1, 2))
            exported = toolkit.contents(path)
            self.assertEqual(len(re.findall(rb"SCRAM-SHA-256[$}]", exported)), ACCOUNTS - 1)
            self.assertEqual(self.store.tool(*options).out, exported)
        self.assertTrue(exported)
        # What is in it is whole: it makes a store with the others.
        other = self.new_store(name="other.mdb", key="other.key")
        path = os.path.join(self.directory, "jsonl")
        result = other.tool("import", "--format", "jsonl", path)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(len(other.names()), ACCOUNTS - 1)
        self.assertEqual(other.tool("check").status, 0)
        # A format's refusal counts for less.
        self.set_password(self.store, "co:lon@other.example", b"pw")
        result = self.store.tool("export", "--format", "dovecot")
        self.assertEqual(result.status, 3, result)
        self.assertIn(f"2 of {ACCOUNTS + 2}".encode(), result.err)

    def test_what_cannot_be_written_is_not_kept(self):
        self.damage_two()
        path = os.path.join(self.directory, "exported")
        result = self.store.tool("export", "--format", "jsonl", "--realm", "none.example",
                                 "-o", path)
        self.assertEqual((result.status, os.path.exists(path)), (1, False), result)

    def test_set_a_realm(self):
        self.damage_two()
        result = self.store.tool("set", "--drop", "legacy", "--realm", REALM, "--json")
        self.assertEqual(result.status, 3, result)
        said = json.loads(result.out)
        lines = toolkit.as_lines(result.err).decode()
        self.assertEqual(said["changed"] + said["damaged"], ACCOUNTS)
        self.assertIs(said["ok"], False)
        self.assertIn("not changed", lines)
        found = [f for f in self.findings() if f["key"]]
        self.assertEqual(len(found), 2)
        listed = json.loads(self.store.tool("list", "--json").out)
        self.assertTrue(all("CRAM-MD5" not in a["verifiers"] for a in listed
                            if a["realm"] == REALM))

    def test_the_way_out(self):
        def one_bit(data, at):
            data[at + 400] ^= 4

        finding = self.damage(one_bit)
        name = f"{finding['user']}@{finding['realm']}"
        self.assertEqual(self.store.tool("list").status, 3)
        self.assertEqual(self.store.passwd("-d", name).status, 0)
        result = self.store.tool("list", "--plain")
        self.assertEqual((result.status, result.err), (0, b""))
        self.assertEqual(len(result.out.splitlines()), ACCOUNTS)


class Pages(toolkit.ToolTest):
    """Damage that LMDB itself does not survive: nobody is left without a word."""

    PAGE = 4096
    HEAD, LEAF = 16, 2  # bytes of a page's head, and the flag of a page with records
    KEY = 24  # bytes of a record's key
    DUPLICATES = 4  # the flag of a node that has several values, which ours never have

    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        self.set_password(self.store, "alice@example.org", b"secret")
        self.good = toolkit.contents(self.store.path)
        self.write(self.damaged())

    def write(self, data):
        with open(self.store.path, "r+b") as file:
            file.write(data)

    def damaged(self):
        """LMDB follows a pointer that is NULL where a node says that it has several values."""
        data = bytearray(self.good)
        for page in range(2 * self.PAGE, len(data), self.PAGE):
            flags, lower = struct.unpack_from("=HH", data, page + 10)
            for at in range(self.HEAD, lower if flags == self.LEAF else 0, 2):
                node = page + struct.unpack_from("=H", data, page + at)[0]
                if struct.unpack_from("=H", data, node + 6)[0] == self.KEY:
                    data[node + 4] |= self.DUPLICATES
        return data

    def test_each_verb_says_so(self):
        # A sanitizer would catch the signal.
        environment = {**os.environ,
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"}
        path = os.path.join(self.directory, "out")
        export = ("export", "--format", "jsonl")
        for arguments in (
            ("list",), ("list", "--plain"), ("list", "--realm", "example.org"),
            ("show", "alice@example.org"),
            export, (*export, "-o", path), (*export, "--user", "alice@example.org"),
            ("backup", path), ("backup", "-"), ("rekey",),
            ("set", "--drop", "legacy", "--realm", "example.org"),
            ("set", "--expires", "never", "alice@example.org"),
        ):
            with self.subTest(arguments=arguments):
                result = self.store.tool(*arguments, env=environment)
                self.assert_one_line(result, 3, arguments[0], self.store.path,
                                     "reading it ended the process by signal 11",
                                     '"sasl-lmdb check" tells where')
                self.assertEqual([name for name in os.listdir(self.directory) if "out" in name],
                                 [])
        self.assertEqual(self.store.tool("check", env=environment).status, 1)
        # Those that died in the middle of a change have left nothing that is in the way.
        self.write(self.good)
        self.assert_verifies(self.store, "alice@example.org", b"secret")
        self.set_password(self.store, "bob@example.org", b"secret")


if __name__ == "__main__":
    toolkit.main()
