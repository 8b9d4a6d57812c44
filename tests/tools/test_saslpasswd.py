# SPDX-License-Identifier: BSD-2-Clause
"""saslpasswd-lmdb beside the real saslpasswd2: the same commands to both, the same outcome.

Without saslpasswd2 (package sasl2-bin) the comparison is skipped and what was measured counts.
"""

import os
import shutil
import signal
import socket

import toolkit

STOCK = "/usr/sbin/saslpasswd2"
STOCK_LIST = "/usr/sbin/sasldblistusers2"
HOST = socket.gethostname().lower()

# Options, standard input, exit status: in this order on one store, for both programs.
COMMANDS = [
    (["-c", "one"], b"secret\n", 0),
    (["-p", "-c", "two"], b"secret\n", 0),
    (["created-without-c"], b"secret\n", 0),
    (["-p", "created-without-c"], b"changed\n", 0),
    (["-cp", "joined"], b"secret\n", 0),
    (["behind", "-p"], b"secret\n", 0),
    (["-p", "--", "-dash"], b"secret\n", 0),
    (["-p", "no-newline"], b"secret", 0),
    (["-p", "spaces"], b" with spaces \n", 0),
    (["-p", "-u", "example.org", "realm"], b"secret\n", 0),
    (["-p", "-u", "example.org", "own@other.example"], b"secret\n", 0),
    (["-p", "own@third.example"], b"secret\n", 0),
    (["-p", "-u", "", "empty-realm"], b"secret\n", 0),
    (["-p", "u ser"], b"secret\n", 0),
    (["-p", "-a", "smtpd", "application"], b"secret\n", 0),
    (["-d", "two"], b"", 0),
    (["-d", "two"], b"", 0),
    (["-d", "nobody"], b"", 0),
    (["-d", "-u", "example.org", "realm"], b"", 0),
    (["-d", "own"], b"", 0),
    (["-d", "-p", "spaces"], b"", 0),
    (["-d", "-n", "joined"], b"", 0),
    (["-p", "empty"], b"", 7),
    (["-p", "empty"], b"\n", 7),
    (["-c", "empty"], b"", 7),
    ([], b"", 1),
    (["one", "two"], b"secret\n", 1),
    (["-c", "-d", "one"], b"secret\n", 1),
    (["-d", "-c", "one"], b"secret\n", 1),
    (["-cd", "one"], b"secret\n", 1),
    (["-x", "one"], b"secret\n", 1),
    (["-u"], b"", 1),
    (["-h"], b"", 1),
    (["-?"], b"", 1),
    (["-h", "one"], b"secret\n", 1),
    (["-V"], b"", 1),
    (["-p", "-V", "one"], b"secret\n", 1),
    (["-p", "-u"], b"", 1),
    (["--create", "one"], b"secret\n", 1),
    (["--version"], b"", 0),
    (["-p", "-uexample.org", "joined-value"], b"secret\n", 0),
    (["-pn", "no-plain"], b"secret\n", 0),
    (["-d", "no-plain"], b"", 0),
    (["-p", "-c", "-c", "twice"], b"secret\n", 0),
    (["-p", "-a", "", "twice"], b"secret\n", 0),
    (["-dn", "twice"], b"", 0),
    (["-d", "-d", "twice"], b"", 0),
    (["-c"], b"", 1),
    (["-a", "a/b", "one"], b"secret\n", 1),
    (["-v"], b"", 0),
    (["-v", "-c", "-d"], b"", 0),
    (["-x", "-v"], b"", 0),
    (["-f", "/nonexistent/directory/db", "one"], b"secret\n", 1),
    (["-f", "/nonexistent/directory/db", "-d", "one"], b"", 1),
]

# What a comparison of the stores has to show after all of them.
ACCOUNTS = [
    f"-dash@{HOST}",
    f"application@{HOST}",
    f"behind@{HOST}",
    f"created-without-c@{HOST}",
    f"empty-realm@{HOST}",
    "joined-value@example.org",
    f"no-newline@{HOST}",
    f"one@{HOST}",
    "own@other.example",
    "own@third.example",
    f"u ser@{HOST}",
]


class Saslpasswd(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()

    def test_measured(self):
        for arguments, stdin, status in COMMANDS:
            result = self.store.passwd(*arguments, stdin=stdin)
            self.assertEqual(result.status, status, (arguments, result))
        expected = sorted(f"{name}: userPassword" for name in ACCOUNTS)
        self.assertEqual(sorted(self.store.names()), expected)

    def test_beside_the_real_one(self):
        if not os.access(STOCK, os.X_OK) or not os.access(STOCK_LIST, os.X_OK):
            self.skipTest("saslpasswd2 is not there (package sasl2-bin)")
        database = os.path.join(self.directory, "sasldb")
        for arguments, stdin, _ in COMMANDS:
            real = toolkit.run([STOCK, "-f", database, *arguments], stdin)
            ours = self.store.passwd(*arguments, stdin=stdin)
            self.assertEqual(real.status, ours.status, (arguments, real, ours))
            self.assertEqual(bool(real.out + real.err),
                             bool(ours.out + toolkit.without_hints(ours.err)), arguments)
        listed = toolkit.run([STOCK_LIST, "-f", database]).out.decode().splitlines()
        self.assertEqual(sorted(listed), sorted(self.store.names()))

    def test_what_the_real_one_makes_of_a_carriage_return(self):
        """It keeps it in the password, with which nobody can log in then; it is refused here."""
        if not os.access(STOCK, os.X_OK) or shutil.which("db_dump") is None:
            self.skipTest("saslpasswd2 or db_dump is not there (packages sasl2-bin, db-util)")
        database = os.path.join(self.directory, "sasldb")
        real = toolkit.run([STOCK, "-f", database, "-p", "user"], b"Geheim\r\n")
        self.assertEqual(real.status, 0, real)
        self.assertIn(b"\n 47656865696d0d\n", toolkit.run(["db_dump", database]).out)
        ours = self.store.passwd("-p", "user", stdin=b"Geheim\r\n")
        self.assert_one_line(ours, 7, "carriage return", program="saslpasswd-lmdb")

    def dialogue(self, command, answers):
        """Types the answers; returns the exit status and the prompts that came."""
        terminal = toolkit.Terminal(command)
        self.addCleanup(terminal.close)
        for prompt, text in answers:
            terminal.answer(prompt, text)
        return terminal.finish()[0]

    def test_the_same_dialogue(self):
        if not os.access(STOCK, os.X_OK):
            self.skipTest("saslpasswd2 is not there (package sasl2-bin)")
        database = os.path.join(self.directory, "sasldb")
        first, second = "Password: ", "Again (for verification): "
        for answers, status in (
            ([(first, "secret\n"), (second, "secret\n")], 0),
            ([(first, "secret\n"), (second, "Secret\n")], 7),
            ([(first, "secret\n"), (second, "\n")], 7),
            ([(first, b"\x03")], -signal.SIGINT),
        ):
            for options in (["user"], ["-c", "user"], ["-n", "user"]):
                real = self.dialogue([STOCK, "-f", database, *options], answers)
                ours = self.dialogue(self.store.passwd_command(*options), answers)
                self.assertEqual((real, ours), (status, status), answers)

    def test_the_password_is_the_line(self):
        for stdin, password in (
            (b"plain\n", b"plain"),
            (b"no newline", b"no newline"),
            (b"  spaces  \n", b"  spaces  "),
            (b"colon:comma,dollar$hash#quote\"back\\\n", b"colon:comma,dollar$hash#quote\"back\\"),
            ("Grüße, 世界\n".encode(), "Grüße, 世界".encode()),
            (b"p" * 1024 + b"\n", b"p" * 1024),
        ):
            result = self.store.passwd("-p", "a@example.org", stdin=stdin)
            self.assertEqual((result.status, result.out, result.err), (0, b"", b""), stdin)
            self.assert_verifies(self.store, "a@example.org", password)
            self.assert_verifies(self.store, "a@example.org", password + b"x", False)

    def test_password_in_pieces(self):
        import subprocess
        import time

        with subprocess.Popen(
            self.store.passwd_command("-p", "a@example.org"), stdin=subprocess.PIPE
        ) as process:
            for piece in (b"sec", b"re", b"t\n"):
                process.stdin.write(piece)
                process.stdin.flush()
                time.sleep(0.1)
            # The line is enough: nobody has to close the pipe.
            self.assertEqual(process.wait(toolkit.SECONDS), 0)
        self.assert_verifies(self.store, "a@example.org", b"secret")

    def test_what_is_refused_here(self):
        self.set_password(self.store, "a@example.org", b"secret")
        names, digests = self.store.accounts(), self.store.digests()
        password = b"Geheim77"
        for arguments, stdin, word in (
            (["a@b@c"], password, "one '@'"),
            (["@example.org"], password, "empty"),
            ([""], password, "empty"),
            (["u" * 256], password, "longer"),
            (["-u", "r" * 256, "user"], password, "longer"),
            (["us\ner"], password, "SASLprep"),
            (["us\u0221er"], password, "SASLprep"),
            (["us\ue000er"], password, "SASLprep"),
            (["\u0627b1"], password, "SASLprep"),
            (["-u", "a b", "user"], password, "realm"),
            ([b"us\xffer"], password, "UTF-8"),
            (["user"], password + b"\0x", "NUL"),
            (["user"], password + b"\xff", "UTF-8"),
            (["user"], password + b"\x07", "SASLprep"),
            (["user"], password + b"\r\n", "carriage return"),
            (["user"], b"\0" + password, "NUL"),
            (["user"], password + b"\t", "SASLprep"),
            (["user"], password + b"\nsecond line\n", "more than one line"),
            (["user"], password + b"p" * 1020, "too long"),
            (["user"], password * (1024 * 1024 // len(password)) + b"\n", "too long"),
        ):
            result = self.store.passwd("-p", "-c", *arguments, stdin=stdin)
            self.assert_one_line(result, 7, word, program="saslpasswd-lmdb", never=[password])
        self.assertEqual(self.store.accounts(), names)
        self.assertEqual(self.store.digests(), digests)

    def test_a_realm_that_is_no_host_name(self):
        """An account all the same; a word about it when it is made, and then no more."""
        for realm, warned in (
            ("exmaple..org", True), ("example.org.", True), (".example.org", True),
            ("-example.org", True), ("mail-.example.org", True), ("example,org", True),
            ("https://example.org", True), ("example.org", False), ("EXAMPLE.org", False),
            ("localhost", False), ("3f2a91c07d45", False), ("win_host.lan", False),
            ("xn--bcher-kva.example", False), ("b\u00fccher.example", False),
        ):
            with self.subTest(realm):
                for again in (False, True):
                    result = self.store.passwd("-p", "-c", "-u", realm, "eve", stdin=b"secret\n")
                    self.assertEqual((result.status, result.out), (0, b""), result)
                    told = b"is no host name" in result.err and realm.encode() in result.err
                    self.assertEqual(told, warned and not again, result)
                    self.assertEqual(result.err.count(b"\n"), int(told), result)

    def test_a_password_that_saslprep_changes(self):
        """A warning where mechanisms then disagree about what the password is; it is set."""
        strict = self.new_store("--verifiers", "strict", name="strict.mdb", key="strict.key")
        legacy = self.new_store("--verifiers", "cram-md5", name="cram.mdb", key="cram.key")
        for password, changes in (
            ("e\u0301", True),  # two characters that compose to one
            ("\u2168", True),  # compatibility forms
            ("\uff41\uff42\uff43", True),
            ("a\u00a0b", True),  # a space that is not U+0020
            ("a\u00adb", True),  # a soft hyphen, mapped to nothing
            ("\u00e9", False),
            ("\u4e16\u754c", False),
            ("plain", False),
        ):
            for store, warned in ((self.store, changes), (strict, False), (legacy, False)):
                result = store.passwd("-p", "-c", "a@example.org", stdin=password.encode() + b"\n")
                self.assertEqual((result.status, result.out), (0, b""), result)
                self.assertEqual(b"warning: SASLprep (RFC 4013) changes" in result.err, warned)
                self.assertEqual(result.err.count(b"\n"), 1 if warned else 0, result)
                self.assertNotIn(password.encode(), result.err)
        # What is verified prepares both sides; nothing the same to SASLprep is a wrong password.
        self.set_password(self.store, "b@example.org", "\u2168".encode())
        self.assert_verifies(self.store, "b@example.org", b"IX")

    def test_usage_names_every_option(self):
        result = self.store.passwd("--help")
        self.assertEqual((result.status, result.err), (0, b""))
        for option in "pcdnuafkvh":
            self.assertRegex(result.out, f"\n  -{option}[ ,]".encode())
        for words, fault in (
            (["-x"], "-x is not an option"),
            (["--frob=Geheim"], "--frob is not an option"),
            (["-u"], "-u needs a value"),
            (["-c", "-d", "one"], "-c and -d exclude each other"),
            (["one", "two"], "takes one argument, USER"),
            (["-x", "-u"], "-x is not an option"),
        ):
            wrong = self.store.passwd(*words)
            self.assertEqual((wrong.status, wrong.out), (1, b""))
            self.assertEqual(wrong.err, f"saslpasswd-lmdb: {fault}\n".encode() + result.out)
        for words in (["-h"], ["-?"]):
            asked = self.store.passwd(*words)
            self.assertEqual((asked.status, asked.out, asked.err), (1, b"", result.out))

    def test_changing_keeps_when_it_was_created(self):
        self.set_password(self.store, "a@example.org", b"one")
        before = self.store.accounts()["a@example.org"]
        self.set_password(self.store, "a@example.org", b"two")
        after = self.store.accounts()["a@example.org"]
        self.assertEqual(before["created"], after["created"])
        self.assert_verifies(self.store, "a@example.org", b"two")
        self.assert_verifies(self.store, "a@example.org", b"one", False)

    def test_no_password_in_the_files(self):
        self.set_password(self.store, "grimoald@example.org", b"Xylophonspieler")
        for path in (self.store.path, self.store.lock, self.store.key):
            data = toolkit.contents(path)
            for secret in (b"Xylophonspieler", b"grimoald", b"example.org"):
                self.assertNotIn(secret, data)


if __name__ == "__main__":
    toolkit.main()
