# SPDX-License-Identifier: BSD-2-Clause
"""Passwords typed on a terminal: prompts, no echo, echo back after everything that can happen."""

import os
import signal

import toolkit

NAME = "alice@example.org"
FIRST = "Password: "
SECOND = "Again (for verification): "
STOCK = "/usr/sbin/saslpasswd2"


class Prompt(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.store = self.new_store()

    def terminal(self, command):
        terminal = toolkit.Terminal(command)
        self.addCleanup(terminal.close)
        return terminal

    def passwd(self, *arguments):
        return self.terminal(self.store.passwd_command(*arguments))

    def verify(self):
        return self.terminal(self.store.command("verify", NAME))

    def assert_not_shown(self, said, *secrets):
        for secret in secrets:
            self.assertNotIn(secret.encode(), said)

    def test_set(self):
        terminal = self.passwd("-c", NAME)
        terminal.answer(FIRST, "Correct horse\n")
        terminal.answer(SECOND, "Correct horse\n")
        status, said = terminal.finish()
        self.assertEqual(status, 0, said)
        self.assertTrue(terminal.echoes())
        self.assert_not_shown(said, "Correct", "horse")
        self.assert_verifies(self.store, NAME, b"Correct horse")

    def test_the_store_is_moved_away_meanwhile(self):
        terminal = self.passwd("-c", NAME)
        terminal.expect(FIRST)
        terminal.wait_for_echo(False)
        for path in (self.store.path, self.store.lock):
            os.rename(path, path + ".old")
        self.assertEqual(self.store.tool("init").status, 0)
        terminal.send("Correct horse\n")
        terminal.answer(SECOND, "Correct horse\n")
        status, said = terminal.finish()
        self.assertEqual(status, 1, said)
        self.assertIn(b"was moved away", said)
        self.assertIn(b"nothing was written", said)
        self.assertEqual(self.store.names(), [])
        for path in (self.store.path, self.store.lock):
            os.rename(path + ".old", path)
        self.assertEqual(self.store.names(), [])

    def test_the_two_entries_differ(self):
        terminal = self.passwd(NAME)
        terminal.answer(FIRST, "one thing\n")
        terminal.answer(SECOND, "another\n")
        status, said = terminal.finish()
        self.assertEqual(status, 7, said)
        self.assertIn(b"saslpasswd-lmdb: ", said)
        self.assertIn(b"differ", said)
        self.assert_not_shown(said, "one thing", "another")
        self.assertTrue(terminal.echoes())
        self.assertEqual(self.store.names(), [])

    def test_entries_that_differ_by_their_end(self):
        terminal = self.passwd(NAME)
        terminal.answer(FIRST, "password\n")
        terminal.answer(SECOND, "passwor\n")
        self.assertEqual(terminal.finish()[0], 7)
        self.assertEqual(self.store.names(), [])

    def test_empty(self):
        terminal = self.passwd(NAME)
        terminal.answer(FIRST, "\n")
        status, said = terminal.finish()
        self.assertEqual(status, 7, said)
        self.assertIn(b"empty", said)
        self.assertTrue(terminal.echoes())
        self.assertEqual(self.store.names(), [])

    def test_end_of_file(self):
        terminal = self.passwd(NAME)
        terminal.answer(FIRST, b"\x04")
        status, said = terminal.finish()
        self.assertEqual(status, 7, said)
        self.assertTrue(terminal.echoes())

    def test_end_of_file_behind_the_password(self):
        terminal = self.passwd(NAME)
        terminal.answer(FIRST, b"secret\x04\x04")
        terminal.answer(SECOND, b"secret\n")
        self.assertEqual(terminal.finish()[0], 0)
        self.assert_verifies(self.store, NAME, b"secret")

    def test_interrupted_by_a_key(self):
        for key, number in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)):
            terminal = self.passwd(NAME)
            terminal.answer(FIRST, b"half a passw")
            terminal.send(key)
            status, said = terminal.finish()
            self.assertEqual(status, -number, said)
            self.assert_not_shown(said, "half", "passw")
            self.assertTrue(terminal.echoes())
            self.assertEqual(self.store.names(), [])

    def test_interrupted_at_the_second_question(self):
        terminal = self.passwd(NAME)
        terminal.answer(FIRST, "secret\n")
        terminal.expect(SECOND)
        terminal.wait_for_echo(False)
        terminal.send(b"\x03")
        self.assertEqual(terminal.finish()[0], -signal.SIGINT)
        self.assertTrue(terminal.echoes())
        self.assertEqual(self.store.names(), [])

    def test_ended_by_signals(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            terminal = self.passwd(NAME)
            terminal.expect(FIRST)
            terminal.wait_for_echo(False)
            os.kill(terminal.pid, number)
            self.assertEqual(terminal.finish()[0], -number)
            self.assertTrue(terminal.echoes())

    def test_stopped_and_continued(self):
        # Only a shell with job control can stop a program: nothing else would continue it. dash
        # leaves the terminal's modes as it finds them, so what is seen is the program's work.
        script = 'set -m; "$@"; echo now stopped; read line; fg >/dev/null'
        terminal = self.terminal(
            ["/bin/dash", "-c", script, "dash", *self.store.passwd_command(NAME)]
        )
        terminal.answer(FIRST, b"half")
        terminal.send(b"\x1a")
        terminal.expect("now stopped")
        self.assertTrue(terminal.echoes())
        terminal.send("\n")
        terminal.answer(FIRST, "secret\n")
        terminal.answer(SECOND, "secret\n")
        status, said = terminal.finish()
        self.assertEqual(status, 0, said)
        self.assertTrue(terminal.echoes())
        self.assert_verifies(self.store, NAME, b"secret")

    def test_what_was_typed_ahead_is_no_answer(self):
        command = ["/bin/dash", "-c", 'echo ready; sleep 1; exec "$@"', "dash"]
        terminal = self.terminal(command + self.store.passwd_command(NAME))
        terminal.expect("ready")
        terminal.send("typed with echo\n")
        terminal.answer(FIRST, "secret\n")
        terminal.answer(SECOND, "secret\n")
        self.assertEqual(terminal.finish()[0], 0)
        self.assert_verifies(self.store, NAME, b"secret")

    def test_pipe_mode_on_a_terminal(self):
        """One line and no second question, as with saslpasswd2, but it is not shown."""
        terminal = self.passwd("-p", NAME)
        terminal.answer(FIRST, "Correct horse\n")
        status, said = terminal.finish()
        self.assertEqual(status, 0, said)
        self.assertNotIn(SECOND.encode(), said)
        self.assert_not_shown(said, "Correct", "horse")
        self.assertTrue(terminal.echoes())
        self.assert_verifies(self.store, NAME, b"Correct horse")
        terminal = self.passwd("-p", NAME)
        terminal.answer(FIRST, b"\x03")
        self.assertEqual(terminal.finish()[0], -signal.SIGINT)
        self.assertTrue(terminal.echoes())

    def test_pipe_mode_takes_what_was_typed_ahead(self):
        """Scripts with a terminal need not wait for a question that saslpasswd2 does not ask."""
        programs = [self.store.passwd_command("-p", NAME)]
        if os.access(STOCK, os.X_OK):
            programs.append([STOCK, "-f", os.path.join(self.directory, "sasldb"), "-p", NAME])
        for program in programs:
            terminal = self.terminal(
                ["/bin/dash", "-c", 'echo ready; read line; exec "$@"', "dash", *program])
            terminal.expect("ready")
            terminal.send("go on\nsecret\n")
            status, said = terminal.finish()
            self.assertEqual(status, 0, said)
        self.assert_verifies(self.store, NAME, b"secret")

    def test_verify_asks_once(self):
        self.set_password(self.store, NAME, b"secret")
        for typed, status, word in (("secret\n", 0, b": yes"), ("Secret\n", 1, b": no")):
            terminal = self.verify()
            terminal.answer(FIRST, typed)
            code, said = terminal.finish()
            self.assertEqual(code, status, said)
            self.assertIn(word, said)
            self.assert_not_shown(said, typed.strip())
            self.assertTrue(terminal.echoes())

    def test_verify_interrupted(self):
        self.set_password(self.store, NAME, b"secret")
        terminal = self.verify()
        terminal.answer(FIRST, b"\x03")
        self.assertEqual(terminal.finish()[0], -signal.SIGINT)
        self.assertTrue(terminal.echoes())

    def test_nobody_is_asked_in_vain(self):
        terminal = self.passwd("a@b@c")
        status, said = terminal.finish()
        self.assertEqual(status, 7, said)
        self.assertNotIn(FIRST.encode(), said)
        self.store.path += ".missing"
        status, said = self.passwd(NAME).finish()
        self.assertEqual(status, 1, said)
        self.assertNotIn(FIRST.encode(), said)

    def test_terminal_gone(self):
        terminal = self.passwd(NAME)
        terminal.expect(FIRST)
        terminal.wait_for_echo(False)
        os.close(terminal.fd)
        terminal.fd = os.open("/dev/null", os.O_RDONLY)
        pid, status = os.waitpid(terminal.pid, 0)
        terminal.status = os.waitstatus_to_exitcode(status)
        self.assertEqual(pid, terminal.pid)
        self.assertNotEqual(terminal.status, 0)
        self.assertEqual(self.store.names(), [])

    def test_the_list_says_how_many_are_legacy(self):
        self.set_password(self.store, NAME, b"secret")
        status, said = self.terminal(self.store.command("list")).finish()
        self.assertEqual(status, 0, said)
        self.assertIn(b"1 account, 1 of them with legacy verifiers", said)


if __name__ == "__main__":
    toolkit.main()
