# SPDX-License-Identifier: BSD-2-Clause
"""A private Cyrus IMAP on loopback: configuration, spool and socket files below one directory.

Its master is started as root and becomes cyrus, and so has every imapd from its first moment: a
store it is to read has to be that user's.
"""

import os
import shutil
import subprocess

import harness
from daemon import Daemon, greets
from postfix import HOSTNAME, free_ports, make_certificate

BIN = "/usr/lib/cyrus/bin"

IMAPD_CONF = """\
configdirectory: {base}/config
partition-default: {base}/spool
defaultpartition: default
proc_path: {base}/run/proc
mboxname_lockpath: {base}/run/lock
lmtpsocket: {base}/run/lmtp
idlesocket: {base}/run/idle
notifysocket: {base}/run/notify
servername: {hostname}
allowplaintext: yes
failedloginpause: 0
tls_server_cert: {certificate}
tls_server_key: {key}
"""

CYRUS_CONF = """\
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {base}/imapd.conf -r"
}}
SERVICES {{
{services}
}}
EVENTS {{
}}
"""


# What a service may be. "fresh": each connection gets an imapd that has just opened the store.
SERVICES = {
    "imap": 'imap cmd="{bin}/imapd -C {base}/imapd.conf -U 30" listen="127.0.0.1:{port}" prefork=1',
    "fresh": 'fresh cmd="{bin}/imapd -C {base}/imapd.conf -U 1" listen="127.0.0.1:{port}"',
    "imaps": 'imaps cmd="{bin}/imapd -C {base}/imapd.conf -U 30 -s" listen="127.0.0.1:{port}"',
    "pop3": 'pop3 cmd="{bin}/pop3d -C {base}/imapd.conf -U 30" listen="127.0.0.1:{port}"',
}


def is_installed():
    return all(os.path.exists(os.path.join(BIN, name)) for name in ("master", "imapd", "imtest"))


def require(*programs):
    """Ends the program as skipped unless Cyrus IMAP and these programs of its kind are there."""
    os.environ["PATH"] = harness.SBIN
    harness.require_ours()
    if os.getuid() != 0:
        harness.skip("a Cyrus IMAP has to be started as root")
    if not is_installed():
        harness.skip("Cyrus IMAP is missing: apt-get install cyrus-imapd cyrus-clients")
    for program, package in (("pop3d", "cyrus-pop3d"),):
        if program in programs and not os.path.exists(os.path.join(BIN, program)):
            harness.skip(f"Cyrus {program} is missing: apt-get install {package}")


class Imapd(Daemon):
    """sasl: option -> value, without the sasl_ that imapd.conf wants. services: names out of
    SERVICES; `port` is the first one's. options: further lines of imapd.conf. env: further variables
    of its environment."""

    def __init__(self, work, sasl, plugin_path, name="imapd", options=None,
                 services=("imap",), env=None):
        super().__init__(work, name, plugin_path)
        self.env = env or {}
        self.sasl = sasl
        self.services = services
        self.options = options or {}
        self.ports = {}
        for directory in ("config", "config/db", "config/socket", "spool", "run", "run/proc",
                          "run/lock"):
            os.mkdir(os.path.join(self.base, directory))
        self.certificate, self.key = make_certificate(self.base)
        for directory, _, files in os.walk(self.base):
            for path in [directory] + [os.path.join(directory, file) for file in files]:
                shutil.chown(path, "cyrus", "mail")

    @property
    def port(self):
        return self.ports[self.services[0]]

    def write_configuration(self):
        self.ports = dict(zip(self.services, free_ports(len(self.services))))
        with open(os.path.join(self.base, "imapd.conf"), "w", encoding="utf-8") as file:
            file.write(IMAPD_CONF.format(
                base=self.base, hostname=HOSTNAME, certificate=self.certificate, key=self.key))
            for option, value in self.options.items():
                file.write(f"{option}: {value}\n")
            for option, value in self.sasl.items():
                file.write(f"sasl_{option}: {value}\n")
        lines = "\n".join(
            SERVICES[service].format(bin=BIN, base=self.base, port=port)
            for service, port in self.ports.items())
        with open(os.path.join(self.base, "cyrus.conf"), "w", encoding="utf-8") as file:
            file.write(CYRUS_CONF.format(bin=BIN, base=self.base, services=lines))

    def environment(self):
        return {**super().environment(), **self.env}

    def command(self):
        return [f"{BIN}/master", "-C", f"{self.base}/imapd.conf", "-M", f"{self.base}/cyrus.conf",
                "-p", f"{self.base}/run/master.pid", "-D"]

    def answers(self):
        return all(greets(port, b"+OK" if service == "pop3" else b"* OK")
                   for service, port in self.ports.items() if service != "imaps")


def imtest(port, mechanism, user, password, plugin_path, lines, *options, env=None):
    """Runs imtest with these lines as its user's input; returns (exit status, what it printed). env:
    further variables of its environment."""
    result = subprocess.run(
        [f"{BIN}/imtest", "-p", str(port), "-m", mechanism, "-a", user, "-u", user, "-w", password,
         *options, "127.0.0.1"],
        input="".join(line + "\r\n" for line in lines).encode(), capture_output=True, timeout=60,
        env={**os.environ, "SASL_PATH": plugin_path, **(env or {})})
    return result.returncode, (result.stdout + result.stderr).decode("utf-8", "backslashreplace")
