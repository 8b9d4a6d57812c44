# SPDX-License-Identifier: BSD-2-Clause
"""A private svnserve on loopback with one repository, and the svn that talks to it.

svnserve initialises libsasl2 once and forks a process, or with --threads starts a thread, for each
connection.
"""

import os
import subprocess

import store
from daemon import Daemon, greets
from postfix import free_ports

SECONDS = 60

SVNSERVE_CONF = """\
[general]
anon-access = none
auth-access = write
realm = {realm}
[sasl]
use-sasl = true
min-encryption = {minimum}
max-encryption = {maximum}
"""


class Svnserve(Daemon):
    """sasl: option -> value of svn.conf. strengths: (least, greatest) SSF of a security layer."""

    def __init__(self, work, sasl, realm, strengths=(0, 0), arguments=(), name="svnserve"):
        super().__init__(work, name, store.PLUGINS)
        self.arguments = arguments
        self.port = None
        self.repository = os.path.join(self.base, "repository")
        store.must(store.run(["svnadmin", "create", self.repository]))
        with open(os.path.join(self.repository, "conf", "svnserve.conf"), "w",
                  encoding="utf-8") as file:
            file.write(SVNSERVE_CONF.format(
                realm=realm, minimum=strengths[0], maximum=strengths[1]))
        with open(os.path.join(self.base, "svn.conf"), "w", encoding="utf-8") as file:
            # svnserve leaves logging to libsasl2, which passes on errors alone by itself.
            for option, value in {**sasl, "log_level": "2"}.items():
                file.write(f"{option}: {value}\n")

    def write_configuration(self):
        self.port = free_ports(1)[0]

    def environment(self):
        return {**super().environment(), "SASL_CONF_PATH": self.base}

    def command(self):
        return ["svnserve", "--daemon", "--foreground", "--root", self.repository,
                "--listen-host", "127.0.0.1", "--listen-port", str(self.port), *self.arguments]

    def answers(self):
        return greets(self.port, b"( success")

    def svn(self, user, password, verb, *arguments):
        """Runs svn as that user; returns (exit status, what it printed)."""
        result = subprocess.run(
            ["svn", verb, *arguments, "--username", user, "--password", password,
             "--non-interactive", "--no-auth-cache",
             "--config-dir", os.path.join(self.base, "client")],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS,
            env={**os.environ, "SASL_PATH": store.PLUGINS, "LC_ALL": "C.UTF-8"})
        return result.returncode, (result.stdout + result.stderr).decode("utf-8", "replace")

    @property
    def url(self):
        return f"svn://127.0.0.1:{self.port}/"
