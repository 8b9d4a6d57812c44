# SPDX-License-Identifier: BSD-2-Clause
"""--json of every verb: one value on standard output, messages as one object a line."""

import json
import os

import toolkit

NAME = "alice@example.org"
PASSWORD = b"Geheim77"


class Json(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        self.set_password(self.store, NAME, PASSWORD)

    def path(self, name):
        return os.path.join(self.directory, name)

    def ask(self, *arguments, stdin=b"", status=0):
        """The value a verb prints; its "verb" and "ok" are looked at here."""
        result = self.store.tool(*arguments, "--json", stdin=stdin)
        self.assertEqual(result.status, status, result)
        self.assertEqual(result.out.count(b"\n"), 1, result)
        value = json.loads(result.out)
        self.assertEqual(list(value)[:2], ["verb", "ok"])
        self.assertEqual((value.pop("verb"), value.pop("ok")), (arguments[0], status == 0))
        return value

    def messages(self, result, status):
        """What was said; nothing but it."""
        self.assertEqual((result.status, result.out), (status, b""), result)
        said = [json.loads(line) for line in result.err.splitlines()]
        for message in said:
            self.assertEqual(list(message), ["program", "verb", "message"])
            self.assertEqual(message["program"], "sasl-lmdb")
        return [(message["verb"], message["message"]) for message in said]

    def test_init(self):
        other = toolkit.Store(self.directory, "other.mdb", "other.key")
        result = other.tool("init", "--json", "--verifiers", "scram-sha-256")
        made = json.loads(result.out)
        self.assertEqual((made["verb"], made["ok"], made["store"], made["key"], made["verifiers"]),
                         ("init", True, other.path, other.key, "SCRAM-SHA-256"))

    def test_accounts(self):
        who = {"user": "alice", "realm": "example.org"}
        self.assertEqual(self.ask("disable", NAME), {**who, "disabled": True, "changed": True})
        self.assertEqual(self.ask("disable", NAME), {**who, "disabled": True, "changed": False})
        self.assertEqual(self.ask("verify", NAME, stdin=PASSWORD, status=1),
                         {**who, "verified": False, "reason": "the account is disabled"})
        self.assertEqual(self.ask("enable", NAME), {**who, "disabled": False, "changed": True})
        self.assertEqual(self.ask("verify", NAME, stdin=PASSWORD),
                         {**who, "verified": True, "reason": ""})
        # What lists and shows has no more members than the accounts have.
        [listed] = json.loads(self.store.tool("list", "--json").out)
        self.assertEqual(json.loads(self.store.tool("show", "--json", NAME).out), listed)
        self.assertEqual(listed["user"], "alice")

    def test_set(self):
        self.assertEqual(self.ask("set", "--drop", "legacy", NAME),
                         {"changed": 1, "unchanged": 0, "refused": 0, "damaged": 0})
        everything = "scram-sha-1,scram-sha-256,scram-sha-512"
        result = self.store.tool("set", "--json", "--drop", everything, "--realm", "example.org")
        self.assertEqual(json.loads(result.out),
                         {"verb": "set", "ok": False, "changed": 0, "unchanged": 0, "refused": 1,
                          "damaged": 0})
        self.assertIn("no verifier would be left", json.loads(result.err)["message"])
        if os.geteuid() == 0:
            os.chown(self.directory, 0, 0)
        self.assertEqual(self.ask("set", "--upgrade")["upgraded"], 0)

    def test_import(self):
        self.assertEqual(self.ask("import", "--format", "tsv", "-",
                                  stdin=b"bob\texample.org\tsecret\n")["new"], 1)
        result = self.store.tool("import", "--format", "tsv", "--json", "-", stdin=b"no tabs\n")
        self.assertEqual(result.status, 1)
        value = json.loads(result.out)
        self.assertEqual((value["verb"], value["ok"], value["skipped"]), ("import", False, 1))
        self.assertIn("line 1", json.loads(result.err)["message"])

    def test_export(self):
        path = self.path("out")
        self.assertEqual(
            self.ask("export", "--format", "dovecot", "--with-secrets", "-o", path),
            {"file": path, "accounts": 1, "withheld": 0, "expiring": 0, "without_verifier": 0,
             "legacy_left_out": 1, "refused": 0, "damaged": 0})
        # What is asked for on standard output is there, and nothing else.
        plain = self.store.tool("export", "--format", "jsonl")
        self.assertEqual(self.store.tool("export", "--format", "jsonl", "--json").out, plain.out)

    def test_backup_and_restore(self):
        path = self.path("backup")
        self.assertEqual(self.ask("backup", path), {"file": path, "accounts": 1})
        self.assertEqual(self.store.tool("backup", "--json", "-").out, toolkit.contents(path))
        self.assertEqual(self.ask("restore", path), {"file": path, "accounts": 1})

    def test_rekey(self):
        done = {"added": False, "sealed": False, "retired": False}
        self.assertEqual(self.ask("rekey", "--prepare"),
                         {"key": 1, "newest": 2, **done, "added": True})
        self.assertEqual(self.ask("rekey", "--prepare"), {"key": 1, "newest": 2, **done})
        self.assertEqual(self.ask("rekey"), {"key": 2, "newest": 2, **done, "sealed": True})
        self.assertEqual(self.ask("rekey", "--retire"),
                         {"key": 2, "newest": 2, **done, "retired": True})
        self.assertEqual(self.ask("rekey", "--retire-now"),
                         {"key": 3, "newest": 3, "added": True, "sealed": True, "retired": True})

    def test_check(self):
        self.assertEqual(self.ask("check")["sound"], 1)

    def test_messages(self):
        missing = "/nonexistent/file"
        for arguments, status, verb, message in (
            (["show", "bob@example.org"], 1, "show", "bob@example.org: no such user"),
            (["disable", 'b"ob@example.org'], 1, "disable", 'b"ob@example.org: no such user'),
            (["restore", missing], 3, "restore", missing + ": cannot be opened: "
                                                           "No such file or directory"),
            (["list", "x"], 2, "list", 'takes no arguments (a realm goes behind --realm): see '
                                       '"sasl-lmdb list --help"'),
            (["frobnicate"], 2, None, '"frobnicate" is not a verb: see "sasl-lmdb --help"'),
            (["\x1b[2J"], 2, None, '"\\x1b[2J" is not a verb: see "sasl-lmdb --help"'),
        ):
            for place in (0, len(arguments)):
                words = [*arguments[:place], "--json", *arguments[place:]]
                said = self.messages(self.store.tool(*words), status)
                self.assertEqual(said, [(verb, message)])

    def test_messages_from_other_processes(self):
        """Those that a verb starts for what may die of a damaged file."""
        self.store.path += ".missing"
        for arguments in (["check"], ["backup", self.path("b")]):
            result = self.store.tool(*arguments, "--json")
            said = result.err.splitlines()
            self.assertEqual((result.status, len(said)), (3, 1), result)
            self.assertIn(self.store.path, json.loads(said[0])["message"])

    def test_not_behind_the_end_of_options(self):
        result = self.store.tool("show", "--", "--json")
        self.assertEqual(result.status, 1)
        self.assertTrue(result.err.startswith(b"sasl-lmdb: show: --json@"), result)


if __name__ == "__main__":
    toolkit.main()
