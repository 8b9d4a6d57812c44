# SPDX-License-Identifier: BSD-2-Clause
"""The installed Cyrus IMAP on the files it has on a Debian, for tests in a throw-away root; started
as its unit of systemd starts it."""

import os
import re
import shutil

from daemon import Daemon, greets
from imapd import BIN

CONF = "/etc/imapd.conf"
SERVICES = "/etc/cyrus.conf"
DEFAULTS = "/etc/default/cyrus-imapd"
# Of the root that is thrown away; its other files a test may change too.
CHANGING = (CONF, SERVICES, DEFAULTS, "/etc/passwd", "/etc/group", "/etc/gshadow")
PORT = 143
SYSLOG = "/tmp/libsyslogfile.so"

# The commands that are tried name one unit. The test starts it anew after every command.
SYSTEMCTL = """\
#!/bin/sh
[ "$*" = "restart cyrus-imapd" ] || { echo "systemctl $*: no such unit here" >&2; exit 1; }
"""


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def set_options(**options):
    """Gives options of imapd.conf these values; None takes one away."""
    lines = [line for line in text_of(CONF).splitlines()
             if line.partition(":")[0].strip() not in options]
    lines += [f"{name}: {value}" for name, value in options.items() if value is not None]
    write(CONF, "\n".join(lines) + "\n")


def only_installed_services():
    """master ends where the program of a service is missing, and each has a package of its own."""
    lines = []
    for line in text_of(SERVICES).splitlines():
        program = re.match(r'\s+\w+\s+cmd="(\w+)', line)
        there = program is None or os.path.exists(os.path.join(BIN, program[1]))
        lines.append(line if there else "#" + line)
    write(SERVICES, "\n".join(lines) + "\n")


def defaults():
    """The variables of the file that the unit names as EnvironmentFile."""
    return dict(re.findall(r"^(\w+)=\"?(.*?)\"?$", text_of(DEFAULTS), re.M))


class DebianCyrus(Daemon):
    """Its unit, all but the privileges that systemd takes."""

    def __init__(self, work):
        super().__init__(work, "cyrus", None)

    def environment(self):
        own = {name: value for name, value in os.environ.items() if name != "SASL_PATH"}
        return {**own, **defaults(), "LD_PRELOAD": SYSLOG, "SYSLOG_FILE": self.log.path}

    def command(self):
        return ["/usr/sbin/cyrmaster", "-l", "32", "-C", CONF, "-M", SERVICES, "-D"]

    def answers(self):
        return greets(PORT, b"* OK")

    def restart(self):
        self.stop()
        self.start()


class Snapshot:
    """Files as they were."""

    def __init__(self, directory, paths=CHANGING):
        self.copies = {path: os.path.join(directory, path.replace("/", "_")) for path in paths}
        for path, copy in self.copies.items():
            shutil.copy2(path, copy)

    def restore(self):
        for path, copy in self.copies.items():
            shutil.copy2(copy, path)
