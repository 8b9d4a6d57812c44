# SPDX-License-Identifier: BSD-2-Clause
"""A private server process on loopback with its files below one directory, and its system log.

Subclasses write the configuration and say how the server is started and when it answers.
"""

import os
import re
import signal
import socket
import subprocess
import time

import harness
import store
import workdir
from postfix import LogFile

START_SECONDS = 20
STOP_SECONDS = 10

# Preloaded into the server, as many machines have no syslog daemon: see syslog_file.c.
SYSLOG = os.environ.get(
    "SASL_LMDB_SYSLOG", os.path.join(store.ROOT, "build/release/tests/system/libsyslogfile.so"))


class Daemon:
    """Context manager. The process is the leader of its own process group and ends with it; one
    that forks itself away leaves its pid in self.pid_file."""

    def __init__(self, work, name, plugin_path):
        self.base = work.mkdir(name, 0o755)
        self.plugin_path = plugin_path
        self.process = None
        self.pid_file = None
        self.output = os.path.join(self.base, "output")
        self.log = LogFile(os.path.join(self.base, "log"))
        # Written by whatever user the server becomes.
        with open(self.log.path, "w", encoding="utf-8"):
            os.chmod(self.log.path, 0o666)
        work.on_close(self.stop)

    def write_configuration(self):
        """Writes what the server reads; chooses its ports."""

    def command(self):
        raise NotImplementedError

    def answers(self):
        raise NotImplementedError

    def environment(self):
        return {**os.environ, "SASL_PATH": self.plugin_path, "LD_PRELOAD": SYSLOG,
                "SYSLOG_FILE": self.log.path}

    def start(self):
        self.write_configuration()
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, env=self.environment())
        with open(os.path.join(self.base, workdir.PROCESS_GROUP), "w", encoding="ascii") as file:
            file.write(f"{self.process.pid}\n")
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._has_ended() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.command()[0]} did not start\n{self.said()}")
            time.sleep(0.05)

    def _has_ended(self):
        status = self.process.poll()
        return status is not None and (status != 0 or self.pid_file is None)

    def said(self):
        """What it printed and logged."""
        with open(self.output, encoding="utf-8", errors="backslashreplace") as file:
            return file.read() + self.log.text()

    def forked_pid(self):
        """The pid in pid_file if that process is alive."""
        try:
            with open(self.pid_file, encoding="ascii") as file:
                pid = int(file.read().split()[0])
            os.kill(pid, 0)
            return pid
        except (TypeError, OSError, ValueError, IndexError):
            return None

    def stop(self):
        """Ends the process group and what has forked itself away from it."""
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            forked = self.forked_pid()
            if forked is not None:
                os.kill(forked, number)
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass
            if self._wait_until_gone():
                break
        self.process = None

    def _wait_until_gone(self):
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None and self.forked_pid() is None:
                return True
            time.sleep(0.02)
        return False

    # What a healthy server never logs, a regular expression.
    CRASH = r"killed by signal|signaled to death|Segmentation|dumped core|malloc\(\)|double free"

    def check_log(self, users):
        """What has to be true after every test: nobody died, and no password was logged."""
        text = self.said()
        crashes = [line for line in text.splitlines() if re.search(self.CRASH, line)]
        if crashes:
            raise AssertionError("processes died:\n" + "\n".join(crashes))
        harness.check_passwords_unlogged(text, users)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()


def greets(port, expected):
    """Whether somebody on that port of loopback speaks first and begins with these bytes."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
            return sock.recv(len(expected)) == expected
    except OSError:
        return False
