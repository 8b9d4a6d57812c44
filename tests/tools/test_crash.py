#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of every verb that writes, at random instants: after each the store opens, check is
clean, and every acknowledged account is there, verifier for verifier.

SASL_LMDB_CRASH_ROUNDS says how many (100), SASL_LMDB_CRASH_SEED repeats a run.
"""

import json
import os
import random
import subprocess
import time

import toolkit

ROUNDS = int(os.environ.get("SASL_LMDB_CRASH_ROUNDS", "100"))
SEED = int(os.environ.get("SASL_LMDB_CRASH_SEED", str(random.randrange(10**9))))
ACCOUNTS = 120
IMPORTED = 150
LOADED = 600
REALM = "example.org"
LATE = 1.15  # of the time a verb takes: some kills come too late
ENOUGH = 20  # of one verb, for at least one kill to be in time whatever the dice say


class Crash(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        print("seed", SEED, "rounds", ROUNDS)
        self.random = random.Random(SEED)
        self.store = self.new_store()
        self.passwords = {f"user{i}@{REALM}": b"pw %d" % i for i in range(ACCOUNTS)}
        lines = b"".join(
            name.split("@")[0].encode() + b"\t" + REALM.encode() + b"\t" + password + b"\n"
            for name, password in self.passwords.items()
        )
        result = self.store.tool("import", "--format", "tsv", "-", stdin=lines)
        self.assertEqual(result.status, 0, result)
        self.state = self.export()
        self.assertEqual(len(self.state), ACCOUNTS)
        self.backups = []
        self.took = {"import": 2.0, "load": 0.5, "replace": 0.5}
        self.counts = {}
        self.serial = 0
        self.loaded = set()  # accounts whose password nobody knows

    def export(self):
        """Every account with all its verifiers."""
        result = self.store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy")
        self.assertEqual(result.status, 0, result)
        accounts = [json.loads(line) for line in result.out.splitlines()]
        return {f"{a['user']}@{a['realm']}": a for a in accounts if "user" in a}

    def clean(self):
        """check finds nothing."""
        result = self.store.tool("check", "--json")
        self.assertEqual(result.status, 0, result)
        report = json.loads(result.out)
        self.assertTrue(report["clean"] and report["complete"], report)
        return report

    def kill_at_random(self, verb, command, stdin=b"", allowed=(0,)):
        """Starts a verb and kills it. Returns its exit status, None if it was killed in time."""
        took = self.took.get(verb, 0.3)
        delay = self.random.uniform(0, took * LATE)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            start = time.monotonic()
            try:
                process.stdin.write(stdin)
                process.stdin.close()
            except BrokenPipeError:
                pass
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            status = process.returncode
            said = process.stderr.read()
        killed = status == -9
        if not killed:
            self.assertIn(status, allowed, (verb, said))
            self.took[verb] = 0.5 * took + 0.5 * (time.monotonic() - start)
        else:
            self.took[verb] = took * 1.02
        done = self.counts.setdefault(verb, [0, 0])
        done[killed] += 1
        return None if killed else status

    def assert_password(self, name):
        self.assert_verifies(self.store, name, self.passwords[name])

    def only_changed(self, after, names):
        """All other accounts are as they were."""
        for name in self.state.keys() | after.keys():
            if name not in names:
                self.assertEqual(after.get(name), self.state.get(name), name)

    def known(self, name):
        """Whether a login can be tried: enabled, and with a password we know."""
        return not self.state[name].get("disabled") and name not in self.loaded

    def some(self):
        return self.random.choice(sorted(self.state))

    # One for each verb: kills it, and checks what may have changed.

    def verb_set(self):
        self.serial += 1
        name = self.random.choice([self.some(), f"new{self.serial}@{REALM}"])
        password = b"set %d" % self.serial
        command = self.store.passwd_command("-p", "-c", name)
        status = self.kill_at_random("set", command, password + b"\n")
        after = self.export()
        self.only_changed(after, {name})
        if status == 0 or after.get(name) != self.state.get(name):
            self.assertIn(name, after)
            self.passwords[name] = password
            self.loaded.discard(name)
            if not after[name].get("disabled"):
                self.assert_password(name)
        return after

    def verb_delete(self):
        name = self.some()
        status = self.kill_at_random("delete", self.store.passwd_command("-d", name))
        after = self.export()
        self.only_changed(after, {name})
        if status == 0:
            self.assertNotIn(name, after)
        else:
            self.assertIn(after.get(name), (None, self.state[name]))
        return after

    def verb_disable(self):
        off = sorted(n for n in self.state if self.state[n].get("disabled"))
        name = self.random.choice(off) if off and self.random.random() < 0.4 else self.some()
        verb = "enable" if self.state[name].get("disabled") else "disable"
        status = self.kill_at_random(verb, self.store.command(verb, name))
        after = self.export()
        self.only_changed(after, {name})
        changed = after[name] != self.state[name]
        self.assertTrue(changed or status is None)
        if changed:
            self.assertEqual(bool(after[name].get("disabled")), verb == "disable")
            same = dict(after[name])
            same["disabled"] = self.state[name].get("disabled")
            self.assertEqual(same, dict(self.state[name], disabled=same["disabled"]))
        return after

    def verb_import(self):
        self.serial += 1
        names = {}
        for i in range(IMPORTED):
            name = self.some() if i % 3 else f"in{self.serial}-{i}@{REALM}"
            names[name] = b"import %d %d" % (self.serial, i)
        lines = b"".join(
            name.split("@")[0].encode() + b"\t" + REALM.encode() + b"\t" + password + b"\n"
            for name, password in names.items()
        )
        path = self.file("accounts.tsv", lines)
        status = self.kill_at_random("import", self.store.command("import", "--format", "tsv", path))
        after = self.export()
        self.only_changed(after, names)
        changed = [name for name in names if after.get(name) != self.state.get(name)]
        self.assertTrue(status is None or len(changed) == len(names))
        for name in changed:
            self.passwords[name] = names[name]
            self.loaded.discard(name)
        enabled = [name for name in changed if not after[name].get("disabled")]
        for name in self.random.sample(enabled, min(3, len(enabled))):
            self.assert_password(name)
        return after

    def verb_load(self):
        """Accounts with verifiers that are ready: all the time goes into writing."""
        self.serial += 1
        names = {}
        sample = dict(self.state[self.some()])
        for i in range(LOADED):
            name = f"load{self.serial % 3}-{i}"
            sample["user"] = name
            sample["created"] = f"2020-01-01T00:{self.serial // 60 % 60:02}:{self.serial % 60:02}Z"
            names[f"{name}@{REALM}"] = dict(sample)
        lines = b"".join(json.dumps(a).encode() + b"\n" for a in names.values())
        path = self.file("accounts.jsonl", lines)
        status = self.kill_at_random("load", self.store.command("import", "--format", "jsonl", path))
        after = self.export()
        self.only_changed(after, names)
        changed = [name for name in names if after.get(name) == names[name]]
        for name in names.keys() - changed:
            self.assertEqual(after.get(name), self.state.get(name), name)
        self.assertTrue(status is None or len(changed) == len(names))
        self.loaded.update(names)
        return after

    def verb_replace(self):
        """All accounts exchanged, or none: half of them stay, with the verifiers they have."""
        self.serial += 1
        kept = {n: a for n, a in self.state.items() if self.random.random() < 0.5}
        sample = dict(self.state[self.some()])
        for i in range(LOADED - len(kept)):
            user = f"load{self.serial % 3}-{i}"
            kept[f"{user}@{REALM}"] = dict(sample, user=user)
        lines = b"".join(json.dumps(a).encode() + b"\n" for a in kept.values())
        path = self.file("accounts.jsonl", lines)
        command = self.store.command("import", "--replace", "--format", "jsonl", path)
        status = self.kill_at_random("replace", command)
        after = self.export()
        if after == self.state:
            self.assertIsNone(status)
        else:
            self.assertEqual(after, kept)
            self.loaded.update(n for n in kept if n.startswith("load"))
        return after

    def verb_backup(self):
        path = os.path.join(self.directory, f"backup{len(self.backups)}-{self.serial}")
        self.serial += 1
        status = self.kill_at_random("backup", self.store.command("backup", path))
        self.assertTrue(os.path.exists(path) or status is None)
        if os.path.exists(path):
            self.backups.append(
                (path, dict(self.state), dict(self.passwords), set(self.loaded))
            )
        after = self.export()
        self.only_changed(after, ())
        return after

    def verb_restore(self):
        if not self.backups:
            return self.verb_backup()
        path, state, passwords, loaded = self.random.choice(self.backups[-4:])
        status = self.kill_at_random("restore", self.store.command("restore", path))
        after = self.export()
        if after == state:
            self.passwords = dict(passwords)
            self.loaded = set(loaded)
        else:
            self.assertIsNone(status)
            self.only_changed(after, ())
        return after

    def verb_rekey(self):
        option = self.random.choice(([], ["--retire"], ["--retire-now"]))
        if option:
            self.backups = []  # perhaps of a key that is gone
        # Refused is a second change before the first one is retired.
        self.kill_at_random(
            " ".join(["rekey", *option]), self.store.command("rekey", *option), allowed=(0, 1)
        )
        after = self.export()
        self.only_changed(after, ())
        return after

    def test_killed_at_any_instant(self):
        verbs = [
            self.verb_set,
            self.verb_delete,
            self.verb_disable,
            self.verb_import,
            self.verb_load,
            self.verb_replace,
            self.verb_backup,
            self.verb_restore,
            self.verb_rekey,
        ]
        for i in range(ROUNDS):
            verb = verbs[i % len(verbs)]
            # As it lies there, before anybody sweeps.
            after = verb()
            self.clean()
            self.state = after
            name = self.some()
            if self.known(name):
                self.assert_password(name)
        # What the last one left is swept away by the next that writes.
        self.assertEqual(self.store.tool("enable", self.some()).status, 0)
        report = self.clean()
        for name in sorted(self.state):
            if self.known(name):
                self.assert_password(name)
        used = report["pages"] - report["pages_free"]
        print("verb: ended, killed:", self.counts)
        print("accounts", len(self.state), "file bytes", os.path.getsize(self.store.path))
        print("pages", report["pages"], "used", used)
        for verb, (ended, killed) in self.counts.items():
            if ended + killed >= ENOUGH:
                self.assertGreater(killed, 0, verb)
        self.assertGreater(5 * sum(killed for _, killed in self.counts.values()), ROUNDS)


if __name__ == "__main__":
    toolkit.main()
