#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb import --replace: all accounts are exchanged in one moment, or none is."""

import json
import os
import signal
import subprocess
import time

import toolkit

REALM = "example.org"
SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
MANY = 12000  # more than what is read ahead and two batches together
DEADLINE = 120


class Replace(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store("--verifiers", "scram-sha-256")
        for user in ("alice", "bob"):
            self.set_password(self.store, f"{user}@{REALM}", b"old")
        self.old = self.store.names()

    def tsv(self, *users, password="new"):
        return "".join(f"{user}\t{REALM}\t{password}\n" for user in users).encode()

    def replace(self, contents, *options, form="tsv"):
        return self.store.tool(
            "import", "--replace", "--format", form, *options, self.file("accounts", contents)
        )

    def many(self):
        """Lines of accounts with verifiers, and their names."""
        result = self.store.tool("export", "--format", "jsonl", "--with-secrets")
        account = json.loads(result.out.splitlines()[0])
        lines = [
            json.dumps(dict(account, user=f"many{i}")).encode() + b"\n" for i in range(MANY)
        ]
        return lines, {f"many{i}@{REALM}: userPassword" for i in range(MANY)}

    def assert_untouched(self):
        self.assertEqual(self.store.names(), self.old)
        self.assert_verifies(self.store, f"alice@{REALM}", b"old")
        result = self.store.tool("check", "--json")
        self.assertTrue(json.loads(result.out)["clean"], result)

    def test_replaced(self):
        self.assertEqual(self.store.tool("disable", f"alice@{REALM}").status, 0)
        result = self.replace(self.tsv("alice", "carol"))
        self.assertEqual((result.status, result.err), (0, b""), result)
        self.assertIn(b"replaced the store's 2 accounts by 2", result.out)
        # Nothing of the old account counts, also not that it was disabled.
        self.assertEqual(set(self.store.accounts()), {f"alice@{REALM}", f"carol@{REALM}"})
        self.assert_verifies(self.store, f"alice@{REALM}", b"new")
        self.assert_verifies(self.store, f"bob@{REALM}", b"old", expected=False)

    def test_summary(self):
        result = self.replace(self.tsv("alice", "carol", "carol", "dave") + b"bad\n", "--json")
        self.assertEqual(result.status, 1, result)
        counts = json.loads(result.out)
        wanted = {"imported": 3, "before": 2, "skipped": 1, "repeated": 1, "dry_run": False}
        self.assertEqual({name: counts[name] for name in wanted}, wanted)

    def test_every_format(self):
        for form, contents in (
            ("csv", f"user,realm,password\nerin,{REALM},pw\n"),
            ("dovecot", f"erin@{REALM}:{{PLAIN}}pw::::::\n"),
            ("ldif", f"dn: uid=erin,dc=x\nuid: erin@{REALM}\nuserPassword: pw\n\n"),
            ("jsonl", json.dumps({"user": "erin", "realm": REALM, "password": "pw"}) + "\n"),
        ):
            self.assertEqual(self.replace(self.tsv("alice", "bob")).status, 0)
            result = self.replace(contents.encode(), form=form)
            self.assertEqual(result.status, 0, (form, result))
            self.assertEqual(self.store.names(), [f"erin@{REALM}: userPassword"], form)
            self.assert_verifies(self.store, f"erin@{REALM}", b"pw")

    def test_formats_with_files_of_their_own(self):
        for form, options, names in (
            ("htpasswd", ("-u", REALM), {"bcrypt", "sha512", "sha256", "des"}),
            ("shadow", ("-u", REALM), {"alice", "bob"}),
        ):
            self.assertEqual(self.replace(self.tsv("old")).status, 0)
            result = self.replace(
                toolkit.contents(os.path.join(SAMPLES, form)), *options, "--json", form=form
            )
            self.assertIn(result.status, (0, 1), (form, result))
            counts = json.loads(result.out)
            self.assertEqual(counts["imported"], len(self.store.accounts()), (form, counts))
            accounts = {name.split("@")[0] for name in self.store.accounts()}
            self.assertLessEqual(names, accounts, form)
            self.assertNotIn("old", accounts, form)
        self.assertEqual(self.replace(self.tsv("old")).status, 0)
        dump = toolkit.contents(os.path.join(SAMPLES, "sasldb.dump"))
        result = self.replace(dump, "--json", form="sasldb")
        self.assertEqual(result.status, 0, result)
        counts = json.loads(result.out)
        self.assertGreater(counts["imported"], 0)
        self.assertEqual(counts["imported"], len(self.store.accounts()))
        self.assertNotIn(f"old@{REALM}", self.store.accounts())
        self.assertEqual(counts["before"], 1)

    def test_refused(self):
        for contents, options, status, words in (
            (b"", (), 1, b"holds no account"),
            (b"bad\n", (), 1, b"holds no account"),
            (self.tsv("carol") + b"bad\n", ("--strict",), 1, b"--strict: nothing was written"),
            (self.tsv("carol"), ("--from-line", "2"), 2, b"not with --from-line"),
        ):
            result = self.replace(contents, *options)
            self.assertEqual(result.status, status, result)
            self.assertIn(words, result.err)
            self.assert_untouched()

    def test_dry_run(self):
        for options in ((), ("--strict",)):
            result = self.replace(self.tsv("alice", "carol", "dave"), "--dry-run", *options)
            self.assertEqual(result.status, 0, result)
            self.assertIn(b"would replace the store's 2 accounts by 3", result.out)
            self.assert_untouched()

    def begin(self, lines):
        """Starts an import that has been given these lines and waits for more."""
        process = subprocess.Popen(
            self.store.command("import", "--replace", "--format", "jsonl", "-"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        process.stdin.write(b"".join(lines))
        process.stdin.flush()
        deadline = time.monotonic() + DEADLINE
        result = self.store.tool("enable", f"alice@{REALM}")
        while result.status == 0 and time.monotonic() < deadline:
            self.assertIsNone(process.poll())
            result = self.store.tool("enable", f"alice@{REALM}")
        self.assertEqual(result.status, 3, result)
        self.assertIn(b"are being replaced", result.err)
        return process

    def test_all_or_nothing(self):
        lines, names = self.many()
        process = self.begin(lines[: MANY - 1])
        self.assert_untouched()
        process.stdin.write(lines[-1])
        process.stdin.close()
        process.stdin = None
        # Whoever looks meanwhile sees the old accounts, or all of the new ones.
        while process.poll() is None:
            seen = self.store.names()
            self.assertTrue(seen == self.old or set(seen) == names, len(seen))
        self.assertEqual(process.returncode, 0, process.stderr.read())
        self.assertEqual(set(self.store.names()), names)
        self.assert_verifies(self.store, f"many{MANY - 1}@{REALM}", b"old")

    def end_in_the_middle(self, number):
        """Returns what the import said."""
        lines, _ = self.many()
        process = self.begin(lines[: MANY - 1])
        process.send_signal(number)
        process.wait(DEADLINE)  # before its input ends, which would end it as well
        _, said = process.communicate()
        self.assert_untouched()
        return process.returncode, said

    def test_killed(self):
        status, _ = self.end_in_the_middle(signal.SIGKILL)
        self.assertEqual(status, -signal.SIGKILL)
        # What it began is there until the next verb that writes.
        self.assertEqual(self.store.tool("enable", f"alice@{REALM}").status, 0)
        self.assert_untouched()

    def test_interrupted(self):
        status, said = self.end_in_the_middle(signal.SIGTERM)
        self.assertEqual(status, 3, said)
        self.assertIn(b"nothing was replaced", said)


if __name__ == "__main__":
    toolkit.main()
