# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb import --format tsv."""

import json
import os
import re
import signal
import subprocess
import time

import toolkit


def line(user, realm, password):
    """A line of a tsv file."""
    return b"\t".join(p if isinstance(p, bytes) else p.encode() for p in (user, realm, password))


class Import(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store("--verifiers", "scram-sha-256")

    def load(self, contents, *options, path=None):
        """Imports from a file, or with path="-" from standard input."""
        if path is None:
            path = self.file("users.tsv", contents)
        return self.store.tool(
            "import", "--format", "tsv", *options, path, stdin=contents if path == "-" else b""
        )

    def summary(self, contents, *options, status=0, path=None):
        """The --json summary of an import."""
        result = self.load(contents, "--json", *options, path=path)
        self.assertEqual(result.status, status, result)
        result.err = toolkit.as_lines(result.err)
        return json.loads(result.out), result

    def test_file_and_pipe(self):
        text = line("alice", "example.org", "secret") + b"\n" + line("bob", "b.example", "x") + b"\n"
        for path in (None, "-"):
            result = self.load(text, path=path)
            self.assertEqual((result.status, result.err), (0, b""), result)
            self.assertIn(b"imported 2 accounts", result.out)
            self.assert_verifies(self.store, "alice@example.org", b"secret")
        self.assertEqual(
            self.store.names(), ["bob@b.example: userPassword", "alice@example.org: userPassword"]
        )

    def test_what_shuts_an_account_out_stays(self):
        """Neither the source nor the store opens what the other has closed."""
        crypt = "$6$saltsalt$" + "a" * 86
        for user in ("open", "off", "early", "late"):
            self.set_password(self.store, f"{user}@example.org", b"old")
        self.store.tool("disable", "off@example.org")
        self.store.tool("set", "--expires", "2030-01-01", "early@example.org")
        self.store.tool("set", "--expires", "2040-01-01", "late@example.org")
        before = self.store.accounts()
        path = self.file("passwd", f"open@example.org:{{SHA512-CRYPT}}{crypt}:::::: nologin=y\n"
                                   f"off@example.org:{{SHA512-CRYPT}}{crypt}\n".encode())
        result = self.store.tool("import", "--format", "dovecot", path)
        self.assertEqual(result.status, 0, result)
        # The day of expiry is 2035-01-01.
        path = self.file("shadow", "".join(f"{user}:{crypt}:19000:0:99999:7::23741:\n"
                                           for user in ("early", "late")).encode())
        result = self.store.tool("import", "--format", "shadow", "-u", "example.org", path)
        self.assertEqual(result.status, 0, result)
        after = self.store.accounts()
        self.assertTrue(after["open@example.org"]["disabled"])
        self.assertTrue(after["off@example.org"]["disabled"])
        self.assertEqual(after["early@example.org"]["expires"],
                         before["early@example.org"]["expires"])
        self.assertLess(after["late@example.org"]["expires"], before["late@example.org"]["expires"])

    def test_counts(self):
        self.set_password(self.store, "alice@example.org", b"old")
        created = self.store.accounts()["alice@example.org"]["created"]
        text = b"".join(
            line(user, "example.org", "new") + b"\n" for user in ("alice", "bob", "carol")
        )
        counts, _ = self.summary(text + b"bad line\n", status=1)
        self.assertEqual(
            counts,
            {
                "verb": "import",
                "ok": False,
                "imported": 3,
                "new": 2,
                "replaced": 1,
                "skipped": 1,
                "locked": 0,
                "repeated": 0,
                "saslprep_changes": 0,
                "dry_run": False,
                "mechanisms": {
                    "PLAIN": 3,
                    "LOGIN": 3,
                    "SCRAM-SHA-1": 0,
                    "SCRAM-SHA-256": 3,
                    "SCRAM-SHA-512": 0,
                    "CRAM-MD5": 0,
                    "DIGEST-MD5": 0,
                    "sasl_checkpass": 0,
                },
                "losing_verifiers": 0,
                "lost_mechanisms": dict.fromkeys(counts["mechanisms"], 0),
            },
        )
        self.assert_verifies(self.store, "alice@example.org", b"new")
        self.assertEqual(self.store.accounts()["alice@example.org"]["created"], created)

    def test_passwords_arrive_whole(self):
        passwords = [
            b"with spaces", b" leading", b"trailing ", b"a\tb", b"\t", b"a:b", b"a,b", b'"quoted"',
            b"$6$hash$", b"#comment", b"{PLAIN}x", b"\\n", b"'", "Grüße".encode(), b"p" * 1024,
        ]
        # A tab inside is data for the format and a control character for SASLprep.
        stored = [p for p in passwords if b"\t" not in p]
        text = b"".join(line(f"u{i}", "r.example", p) + b"\n" for i, p in enumerate(stored))
        self.assertEqual(self.load(text).status, 0)
        for i, password in enumerate(stored):
            self.assert_verifies(self.store, f"u{i}@r.example", password)
        refused = [p for p in passwords if b"\t" in p]
        text = b"".join(line(f"v{i}", "r.example", p) + b"\n" for i, p in enumerate(refused))
        result = self.load(text)
        self.assertEqual(result.status, 1, result)
        self.assertEqual(result.err.count(b"SASLprep"), len(refused))

    def test_a_realm_that_is_no_host_name(self):
        text = b"".join(line(user, realm, "x") + b"\n" for user, realm in (
            ("a", "r.example"), ("b", "r..example"), ("c", "r.example."), ("d", "r.example")))
        for options in (("--dry-run",), (), ("--replace",)):
            result = self.load(text, *options)
            self.assertEqual(result.status, 0, result)
            self.assertEqual(result.err.count(b"\n"), 1, result)
            self.assertIn(b"the realm of line 2 is no host name", result.err)

    def test_bad_lines_are_named_by_number_and_skipped(self):
        secret = b"Geheim77"
        bad = [
            (b"no tabs at all " + secret, "TAB"),
            (b"one\t" + secret, "TAB"),
            (line("", "r.example", secret), "empty"),
            (line("a@b", "r.example", secret), "@"),
            (line("a@b@c", "", secret), "one '@'"),
            (line("a", "", secret), "realm is missing"),
            (line("a", "r r", secret), "realm"),
            (line("a", "r@r", secret), "realm"),
            (line("a" * 256, "r.example", secret), "longer"),
            (line("a", "r" * 256, secret), "longer"),
            (line(b"\xff", "r.example", secret), "UTF-8"),
            (line("a", b"r\xff", secret), "realm"),
            (line("a\u0221", "r.example", secret), "SASLprep"),
            (line("a\x07", "r.example", secret), "SASLprep"),
            (line("a", "r.example", b""), "empty"),
            (line("a", "r.example", secret + b"\xff"), "UTF-8"),
            (line("a", "r.example", secret + b"\0"), "NUL"),
            (line(b"\0a", "r.example", secret), "NUL"),
            (line("a", "r.example", secret + b"\x01"), "SASLprep"),
            (line("a", "r.example", secret + b"\r"), "CR LF"),
            (line("a", "r.example", secret + "\u0221".encode()), "SASLprep"),
            (line("a", "r.example", secret * 129), "longer than 1024"),
            (line("a", "r.example", secret * 1100), "too long"),
            (secret * 100000, "too long"),
        ]
        text = line("first", "r.example", "x") + b"\n\n"
        text += b"".join(one + b"\n" for one, _ in bad)
        text += line("last", "r.example", "x")
        for path in (None, "-"):
            result = self.load(text, path=path)
            self.assertEqual(result.status, 1, result)
            said = result.err.decode().splitlines()
            self.assertEqual(len(said), len(bad), said)
            for number, (one, (_, word)) in enumerate(zip(said, bad), start=3):
                self.assertRegex(one, rf"^sasl-lmdb: import: line {number}: ")
                self.assertIn(word, one)
            self.assertNotIn(secret, result.err + result.out)
            self.assertIn(f"{len(bad)} lines skipped".encode(), result.out)
        self.assertEqual(
            self.store.names(), ["first@r.example: userPassword", "last@r.example: userPassword"]
        )

    def test_counts_agree_with_their_nouns(self):
        for good, bad, words in (
            (1, 1, b"imported 1 account: 1 new, 0 replaced; 1 line skipped\n"),
            (2, 0, b"imported 2 accounts: 1 new, 1 replaced; 0 lines skipped\n"),
        ):
            text = b"".join(line(f"u{i}", "r.example", "x") + b"\n" for i in range(good))
            self.assertIn(words, self.load(text + b"no tab\n" * bad).out)

    def test_realms(self):
        text = b"alice\t\tpw\nbob\tOther.Example\tpw\ncarol@third.example\t\tpw\n"
        result = self.load(text, "-u", "Default.Example")
        self.assertEqual(result.status, 0, result)
        self.assertEqual(
            [name.split(":")[0] for name in self.store.names()],
            ["alice@default.example", "bob@other.example", "carol@third.example"],
        )

    def test_cr_lf(self):
        text = line("alice", "r.example", "secret") + b"\r\n\r\n"
        text += line("bob", "r.example", "secret") + b"\r\n"
        self.assertEqual(self.load(text).status, 0)
        self.assert_verifies(self.store, "alice@r.example", b"secret")
        self.assert_verifies(self.store, "bob@r.example", b"secret")
        result = self.load(text + line("carol", "r.example", "secret") + b"\n")
        self.assertEqual(result.status, 1, result)
        self.assertIn(b"line 4: the first line", result.err)
        # The rule follows from line 1, also for an import that starts behind it.
        result = self.load(text, "--from-line", "3")
        self.assertEqual((result.status, result.err), (0, b""), result)

    def test_passwords_that_saslprep_changes(self):
        store = self.new_store(name="all.mdb", key="all.key")
        path = self.file("users.tsv", b"".join(line(*entry) + b"\n" for entry in (
            ("a", "r.example", "plain"),
            ("b", "r.example", "e\u0301"),
            ("c", "r.example", "\u00e9"),
            ("d", "r.example", "\u2168"),
            ("d", "r.example", "\u2168x"),
        )))
        for options in (["--dry-run"], []):
            result = store.tool("import", "--format", "tsv", "--json", *options, path)
            self.assertEqual(result.status, 0, result)
            self.assertIn(b"warning: SASLprep (RFC 4013) changes the passwords of 2 accounts",
                          result.err)
            self.assertEqual(json.loads(result.out)["saslprep_changes"], 2)
        # Where all verifiers are of the prepared password there is nothing to warn of.
        result = self.store.tool("import", "--format", "tsv", "--json", path)
        self.assertEqual(json.loads(result.out)["saslprep_changes"], 0)
        self.assertNotIn(b"warning", result.err)

    def test_verifiers_that_are_lost_are_told(self):
        store = self.new_store(name="all.mdb", key="all.key")
        for user in ("alice", "bob", "carol"):
            self.set_password(store, f"{user}@r.example", b"old")
        # For PLAIN and LOGIN, as before, and for nothing else.
        crypt = (
            "$6$UMq0MOx1Pj40rVTB$vcAV1Gl54WZN/v/v0.HdEGDl20vuxy.CUdvUcrSKRYcXEDeHdFEXKeJ1maf8fg4w"
            "252H0eu3Mdu3CAnYslUoA/"
        )
        path = self.file(
            "users",
            "".join(
                f"{user}@r.example:{value}::::::\n"
                for user, value in (
                    ("alice", "{CRYPT}" + crypt),
                    ("bob", "{PLAIN}new"),
                    ("carol", "{CRYPT}" + crypt),
                    ("new", "{CRYPT}" + crypt),
                )
            ).encode(),
        )
        gone = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "CRAM-MD5", "DIGEST-MD5",
                "sasl_checkpass")
        for options, words in ((["--dry-run"], "would lose"), ([], "lose")):
            before = store.digests()
            result = store.tool("import", "--format", "dovecot", *options, path)
            self.assertEqual((result.status, result.err), (0, b""), result)
            told = ", ".join(f"{mechanism} 2" for mechanism in gone)
            self.assertIn(f"2 accounts {words} verifiers: {told}\n".encode(), result.out)
            if options:
                self.assertEqual(store.digests(), before)
        # None of the old password is left, and what is not there cannot be lost again.
        self.assertEqual(store.accounts()["alice@r.example"]["verifiers"], ["crypt"])
        result = store.tool("import", "--format", "dovecot", "--json", path)
        self.assertEqual(json.loads(result.out)["losing_verifiers"], 0)
        self.set_password(store, "alice@r.example", b"old")
        result = store.tool("import", "--format", "dovecot", "--json", path)
        counts = json.loads(result.out)
        self.assertEqual(counts["losing_verifiers"], 1)
        self.assertEqual(
            counts["lost_mechanisms"], {"PLAIN": 0, "LOGIN": 0, **dict.fromkeys(gone, 1)}
        )

    def too_long(self):
        """A line of jsonl with valid verifiers, more than a record holds."""
        store = self.new_store(name="all.mdb", key="all.key")
        self.set_password(store, "long@r.example", b"x")
        result = store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy")
        account = json.loads(result.out)
        realms = ["r.example", ""] + [chr(97 + i) * 255 for i in range(8)]
        account["cmusaslsecretDIGEST-MD5"] = [
            {"realm": realm, "full_name": full_name, "latin1": latin1, "ha1": "0" * 32, **more}
            for realm in realms
            for full_name in (False, True)
            for latin1, more in ((False, {}), (True, {}), (True, {"utf8_names": True}))
        ]
        return json.dumps(account).encode() + b"\n"

    def test_a_record_that_does_not_fit(self):
        first, second, third = (
            json.dumps({"user": user, "realm": "r.example", "password": "x"}).encode() + b"\n"
            for user in ("first", "long", "third")
        )
        text = first + second + self.too_long() + third
        wanted = b"line 3: long@r.example: name and verifiers are longer than a record, 3500 bytes"
        path = self.file("users.jsonl", text)
        before = self.store.digests()
        for options in (["--strict"], ["--strict", "--replace"], ["--dry-run"], []):
            result = self.store.tool("import", "--format", "jsonl", "--json", *options, path)
            self.assertEqual(result.status, 1, (options, result))
            self.assertIn(wanted, result.err, options)
            if "--strict" in options:
                self.assertIn(b"nothing was written", result.err)
            else:
                counts = json.loads(result.out)
                # The line is no account, so the one before it of that name counts.
                self.assertEqual(
                    (counts["imported"], counts["skipped"], counts["repeated"]), (3, 1, 0)
                )
            if options:
                self.assertEqual(self.store.digests()[1:], before[1:])
                self.assertEqual(self.store.names(), [])
        for user in ("first", "long", "third"):
            self.assert_verifies(self.store, f"{user}@r.example", b"x")
        result = self.store.tool("import", "--format", "jsonl", "--replace", path)
        self.assertEqual(result.status, 1, result)
        self.assertIn(b"by 3; 1 line skipped", result.out)

    def peak_kb(self, *arguments):
        """The most memory a run of the tool has had resident."""
        with subprocess.Popen(self.store.command(*arguments), stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, arguments)
        return usage.ru_maxrss

    def test_one_account_needs_no_room_for_thousands(self):
        """What a batch has room for, some 40 MiB, is neither filled nor wiped."""
        path = self.file("one.tsv", line("alice", "r.example", "x"))
        imported = self.peak_kb("import", "--format", "tsv", path)
        self.assertLess(imported - self.peak_kb("list"), 32 * 1024)

    def test_nothing(self):
        for text in (b"", b"\n", b"\n\n\n"):
            for options in ([], ["--strict"], ["--dry-run"]):
                counts, result = self.summary(text, *options)
                self.assertEqual((counts["imported"], counts["skipped"]), (0, 0))
                self.assertIn(b"there is no account in the input", result.err)

    def test_repeated_names(self):
        text = b"".join(
            line("alice", realm, f"pw{i}") + b"\n"
            for i, realm in enumerate(("r.example", "R.example", "other.example", "r.example"))
        )
        counts, result = self.summary(text)
        self.assertEqual((counts["imported"], counts["new"], counts["repeated"]), (2, 2, 2))
        self.assertIn(b"line 2: alice@r.example is on line 1 too", result.err)
        self.assertIn(b"line 4: alice@r.example is on line 2 too", result.err)
        self.assert_verifies(self.store, "alice@r.example", b"pw3")
        self.assert_verifies(self.store, "alice@other.example", b"pw2")

    def test_repeated_names_batches_apart(self):
        text = line("alice", "r.example", "first") + b"\n"
        text += b"".join(line(f"u{i}", "r.example", "x") + b"\n" for i in range(600))
        text += line("alice", "r.example", "last") + b"\n"
        counts, result = self.summary(text)
        self.assertEqual((counts["new"], counts["replaced"], counts["repeated"]), (601, 1, 1))
        self.assertIn(b"line 602: alice@r.example is on line 1 too", result.err)
        self.assert_verifies(self.store, "alice@r.example", b"last")
        self.assertEqual(len(self.store.names()), 601)

    def test_strict(self):
        good = b"".join(line(f"u{i}", "r.example", "x") + b"\n" for i in range(300))
        before = self.store.digests()
        for path in (None, "-"):
            result = self.load(good + b"bad\n" + good + b"worse\n", "--strict", path=path)
            self.assertEqual((result.status, result.out), (1, b""), result)
            self.assertIn(b"line 301: ", result.err)
            self.assertIn(b"line 602: ", result.err)
            self.assertIn(b"nothing was written", result.err)
            self.assertEqual(self.store.digests(), before)
        counts, result = self.summary(good, "--strict", path="-")
        self.assertEqual((counts["new"], result.err), (300, b""))
        counts, result = self.summary(good[:-1], "--strict")
        self.assertEqual((counts["replaced"], result.err), (300, b""))
        self.assertEqual(len(self.store.names()), 300)

    def test_dry_run(self):
        self.set_password(self.store, "alice@r.example", b"old")
        before = self.store.digests()
        text = line("alice", "r.example", "x") + b"\nbad\n" + line("bob", "r.example", "x") + b"\n"
        for options in (["--dry-run"], ["--dry-run", "--from-line", "1"]):
            counts, result = self.summary(text, *options, status=1)
            self.assertEqual(
                (counts["imported"], counts["new"], counts["replaced"], counts["skipped"]),
                (2, 1, 1, 1),
            )
            self.assertIn(b"line 2: ", result.err)
        result = self.load(text, "--dry-run", "--strict")
        self.assertEqual(result.status, 1, result)
        result = self.load(text, "--dry-run")
        self.assertTrue(result.out.startswith(b"would import 2"), result)
        self.assertEqual(self.store.digests(), before)

    def test_from_line(self):
        text = b"bad\n" + line("alice", "r.example", "x") + b"\n" + line("bob", "r.example", "x")
        counts, result = self.summary(text, "--from-line", "3")
        self.assertEqual((counts["imported"], counts["skipped"], result.err), (1, 0, b""))
        counts, result = self.summary(text, "--from-line", "99")
        self.assertEqual((counts["imported"], result.err), (0, b""))
        self.assertEqual(self.store.names(), ["bob@r.example: userPassword"])

    def test_flags_stay(self):
        self.set_password(self.store, "alice@r.example", b"old")
        self.store.tool("disable", "alice@r.example")
        self.assertEqual(self.load(line("alice", "r.example", "new")).status, 0)
        self.assertIs(self.store.accounts()["alice@r.example"]["disabled"], True)

    def test_a_file_everybody_can_read(self):
        path = self.file("open.tsv", line("alice", "r.example", "x"), 0o644)
        result = self.load(b"", path=path)
        self.assertEqual(result.status, 0, result)
        self.assertIn(b"everybody can read", result.err)

    def test_across_the_reader_s_buffer(self):
        # Lines of many lengths, so that they fall over every boundary of the 64 KiB buffer.
        passwords = [bytes([97 + i % 26]) * (1 + i * 37 % 1024) for i in range(400)]
        text = b"".join(line(f"u{i}", "r.example", p) + b"\n" for i, p in enumerate(passwords))
        self.assertGreater(len(text), 3 * 65536)
        counts, _ = self.summary(text, path="-")
        self.assertEqual(counts["new"], 400)
        for i in range(0, 400, 29):
            self.assert_verifies(self.store, f"u{i}@r.example", passwords[i])

    def wait_for_handler(self, pid, number, deadline):
        """Waits until the program would notice the signal rather than die of it."""
        while time.monotonic() < deadline:
            text = toolkit.contents(f"/proc/{pid}/status").decode()
            if int(re.search(r"SigCgt:\s*([0-9a-f]+)", text).group(1), 16) >> (number - 1) & 1:
                return
            time.sleep(0.02)
        self.fail("the import does not catch the signal")

    def interrupt(self, number, contents, hold_open):
        """Starts an import that takes long, sends a signal, returns its exit and message."""
        with subprocess.Popen(
            self.store.command("import", "--format", "tsv", "-"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                os.set_blocking(process.stdin.fileno(), False)
                left = contents
                deadline = time.monotonic() + toolkit.SECONDS
                while time.monotonic() < deadline:
                    try:
                        left = left[os.write(process.stdin.fileno(), left) :] if left else left
                    except BlockingIOError:
                        pass
                    if not left and not hold_open:
                        process.stdin.close()
                        break
                    done = self.store.tool("list", "--plain").out.count(b"\n")
                    if done > 0 or (hold_open and not left):
                        break
                    time.sleep(0.05)
                self.wait_for_handler(process.pid, number, time.monotonic() + toolkit.SECONDS)
                process.send_signal(number)
                err = process.stderr.read().decode()
                process.wait(toolkit.SECONDS)
            finally:
                process.kill()
                if not process.stdin.closed:
                    try:
                        process.stdin.close()
                    except BrokenPipeError:
                        pass
        return process.returncode, err

    def test_interrupted_and_resumed(self):
        text = b"".join(line(f"u{i}", "r.example", f"pw{i}") + b"\n" for i in range(6000))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.store = self.new_store(name=f"{number}.mdb", key=f"{number}.key")
            status, err = self.interrupt(number, text, hold_open=True)
            self.assertEqual(status, 3, err)
            self.assertIn("interrupted", err)
        stored = int(re.search(r"lines up to (\d+) are stored", err).group(1))
        resume = int(re.search(r"--from-line (\d+)", err).group(1))
        self.assertEqual(resume, stored + 1)
        self.assertNotIn("pw1", err)
        self.assertEqual(len(self.store.names()), stored)
        self.assert_verifies(self.store, f"u{stored - 1}@r.example", f"pw{stored - 1}".encode())
        head = b"".join(text.splitlines(keepends=True)[: stored + 50])
        counts, _ = self.summary(head, "--from-line", str(resume))
        self.assertEqual((counts["new"], counts["replaced"]), (50, 0))
        self.assertEqual(len(self.store.names()), stored + 50)

    def test_interrupted_while_waiting_for_input(self):
        status, err = self.interrupt(signal.SIGINT, line("a", "r.example", "x"), hold_open=True)
        self.assertEqual(status, 3, err)
        self.assertIn("nothing was stored", err)
        self.assertEqual(self.store.names(), [])

    def test_progress_on_a_terminal_only(self):
        # Half a second or more for each processor's share, whatever their number.
        count = 500 * os.cpu_count()
        text = b"".join(line(f"u{i}", "r.example", "x") + b"\n" for i in range(count))
        path = self.file("users.tsv", text)
        self.store = self.new_store("--verifiers", "strict", name="slow.mdb", key="slow.key")
        terminal = toolkit.Terminal(self.store.command("import", "--format", "tsv", path))
        self.addCleanup(terminal.close)
        status, said = terminal.finish(seconds=120)
        self.assertEqual(status, 0, said)
        self.assertRegex(said.decode(), r"\d+ accounts stored, \d+ a second, \d+:\d\d:\d\d left")
        self.assertIn(f"imported {count} accounts".encode(), said)
        # The progress line is gone before the summary comes.
        self.assertTrue(said.split(b"imported ")[0].endswith(b"\r\x1b[K"))


if __name__ == "__main__":
    toolkit.main()
