# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the tools share: running the programs, on stores of their own and on
terminals of their own.

SASL_LMDB_TOOLS names the directory of the programs. No password is ever an argument.
"""

import hashlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

TOOLS = os.environ.get("SASL_LMDB_TOOLS", "")
TOOL = os.path.join(TOOLS, "sasl-lmdb")
PASSWD = os.path.join(TOOLS, "saslpasswd-lmdb")

SECONDS = 300
FEW_ITERATIONS = "4096"  # the fewest the tool allows: these tests are not about PBKDF2
SKIPPED = 77


class Result:
    """How a program ended and what it said, output as bytes."""

    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def __repr__(self):
        return f"exit {self.status}, stdout {self.out!r}, stderr {self.err!r}"


def run(command, stdin=b"", **keywords):
    """Runs a program to its end."""
    return Result(
        subprocess.run(command, input=stdin, capture_output=True, timeout=SECONDS, **keywords)
    )


def as_lines(messages):
    """Messages of a verb with --json, as it would say them without."""
    lines = []
    for line in messages.splitlines(keepends=True):
        if line.startswith(b"{"):
            line = "{program}: {verb}: {message}\n".format(**json.loads(line)).encode()
        lines.append(line)
    return b"".join(lines)


def without_hints(messages):
    """Messages of saslpasswd-lmdb but those about a name, where saslpasswd2 says nothing."""
    return b"".join(
        line for line in messages.splitlines(keepends=True)
        if b": no such user" not in line and b": note: -u " not in line
    )


def contents(path):
    """The bytes of a file."""
    with open(path, "rb") as file:
        return file.read()


class Store:
    """Paths of a store in a directory, and the tools on it."""

    def __init__(self, directory, name="users.mdb", key="key"):
        self.path = os.path.join(directory, name)
        self.lock = self.path + "-lock"
        self.key = os.path.join(directory, key)

    def command(self, *arguments):
        """The command line of sasl-lmdb on this store."""
        return [TOOL, "-f", self.path, "-k", self.key, *arguments]

    def tool(self, *arguments, stdin=b"", **keywords):
        """Runs sasl-lmdb on this store."""
        return run(self.command(*arguments), stdin, **keywords)

    def passwd_command(self, *arguments):
        """The command line of saslpasswd-lmdb on this store."""
        return [PASSWD, "-f", self.path, "-k", self.key, *arguments]

    def passwd(self, *arguments, stdin=b"", **keywords):
        """Runs saslpasswd-lmdb on this store."""
        return run(self.passwd_command(*arguments), stdin, **keywords)

    def names(self):
        """The accounts as sasldblistusers2 would print them, sorted as the tool sorts them."""
        result = self.tool("list", "--plain")
        if result.status != 0:
            raise AssertionError(result)
        return result.out.decode().splitlines()

    def accounts(self):
        """The accounts by name, as --json has them."""
        result = self.tool("list", "--json")
        if result.status != 0:
            raise AssertionError(result)
        return {f"{a['user']}@{a['realm']}": a for a in json.loads(result.out)}

    def digests(self):
        """Hashes of the data file and of the key file."""
        return [hashlib.sha256(contents(path)).hexdigest() for path in (self.path, self.key)]


class ToolTest(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="sasl-lmdb-tools-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def file(self, name, contents, mode=0o600):
        """Writes a file and returns its path."""
        path = os.path.join(self.directory, name)
        with open(path, "wb") as out:
            out.write(contents)
        os.chmod(path, mode)
        return path

    def new_store(self, *options, name="users.mdb", key="key"):
        """A fresh store made by init."""
        store = Store(self.directory, name, key)
        result = store.tool("init", "--iterations", FEW_ITERATIONS, *options)
        self.assertEqual(result.status, 0, result)
        return store

    def set_password(self, store, name, password):
        """Gives an account a password."""
        result = store.passwd("-p", "-c", name, stdin=password + b"\n")
        self.assertEqual(result.status, 0, result)

    def assert_verifies(self, store, name, password, expected=True):
        """The account has this password, or does not."""
        result = store.tool("verify", name, stdin=password + b"\n")
        self.assertEqual(result.status, 0 if expected else 1, (name, password, result))

    def assert_one_line(self, result, status, *words, program="sasl-lmdb", never=()):
        """The program failed with this status and one clear line on standard error."""
        self.assertEqual(result.status, status, result)
        self.assertTrue(result.err.endswith(b"\n"), result)
        self.assertEqual(result.err.count(b"\n"), 1, result)
        self.assertTrue(result.err.startswith(program.encode() + b": "), result)
        self.assertEqual(result.err.strip(), bytes(c for c in result.err if c >= 32), result)
        for word in words:
            self.assertIn(word.encode(), result.err, result)
        for secret in never:
            self.assertNotIn(secret, result.err + result.out)


class Terminal:
    """A program on a pseudo-terminal, which is also its controlling terminal."""

    def __init__(self, command):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                # A shell that runs the test in the background has had it ignored.
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.execv(command[0], command)
            finally:
                os._exit(126)
        self.status = None

    def expect(self, text, seconds=SECONDS):
        """Reads until the text appears; returns everything up to and with it."""
        text = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"no {text!r} within {seconds} s; so far: {self.seen!r}")
            try:
                more = os.read(self.fd, 4096)
            except OSError:  # Linux: EIO when the other side has been closed
                more = b""
            if not more:
                raise AssertionError(f"ended without {text!r}; it said {self.seen!r}")
            self.seen += more
        cut = self.seen.index(text) + len(text)
        upto, self.seen = self.seen[:cut], self.seen[cut:]
        return upto

    def echoes(self):
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def wait_for_echo(self, wanted, seconds=10):
        """Waits until echo is on, or off."""
        deadline = time.monotonic() + seconds
        while self.echoes() != wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"echo did not become {wanted}")
            time.sleep(0.01)

    def send(self, text):
        """Types."""
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def answer(self, prompt, text):
        """Waits for a prompt with the echo gone, then types."""
        self.expect(prompt)
        self.wait_for_echo(False)
        self.send(text)

    def finish(self, seconds=SECONDS):
        """Waits for the end. Returns the exit status (negative: the signal), and what was said."""
        deadline = time.monotonic() + seconds
        open_ = True
        while self.status is None:
            if open_ and select.select([self.fd], [], [], 0.02)[0]:
                try:
                    more = os.read(self.fd, 4096)
                except OSError:
                    more = b""
                open_ = bool(more)
                self.seen += more
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"did not end; it said {self.seen!r}")
        while open_ and select.select([self.fd], [], [], 0)[0]:
            try:
                more = os.read(self.fd, 4096)
            except OSError:
                more = b""
            open_ = bool(more)
            self.seen += more
        return self.status, self.seen

    def close(self):
        """Ends a program that a failed test has left behind."""
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except OSError:
                pass
        os.close(self.fd)


def skip_program(reason):
    """Ends a test program that cannot run here."""
    print("skipped:", reason)
    sys.exit(SKIPPED)


def main():
    """Runs the calling program's tests."""
    if not os.access(TOOL, os.X_OK) or not os.access(PASSWD, os.X_OK):
        sys.exit(f"SASL_LMDB_TOOLS ({TOOLS!r}) does not hold the tools")
    unittest.main(verbosity=2)
