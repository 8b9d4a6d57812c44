# SPDX-License-Identifier: BSD-2-Clause
"""A private Cyrus IMAP on loopback: configuration, spool and socket files below one directory.

Its master is started as root and becomes cyrus, and so has every imapd from its first moment: a
store it is to read has to be that user's.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time

from postfix import HOSTNAME, free_ports, make_certificate

BIN = "/usr/lib/cyrus/bin"
START_SECONDS = 10
STOP_SECONDS = 10

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
  imap cmd="{bin}/imapd -C {base}/imapd.conf -U 30" listen="127.0.0.1:{port}" prefork=1
}}
EVENTS {{
}}
"""


def is_installed():
    return all(os.path.exists(os.path.join(BIN, name)) for name in ("master", "imapd", "imtest"))


def give_to_cyrus(path):
    """Makes cyrus the owner of a directory and everything in it."""
    account = pwd.getpwnam("cyrus")
    os.chown(path, account.pw_uid, account.pw_gid)
    for name in os.listdir(path):
        os.chown(os.path.join(path, name), account.pw_uid, account.pw_gid)


class Imapd:
    """Context manager. sasl: option -> value, without the sasl_ that imapd.conf wants.

    options: further lines of imapd.conf, option -> value.
    """

    def __init__(self, work, sasl, plugin_path, name="imapd", options=None):
        self.base = work.mkdir(name, 0o755)
        self.sasl = sasl
        self.options = options or {}
        self.plugin_path = plugin_path
        self.port = None
        self.master = None
        for directory in ("config", "spool", "run", "run/proc", "run/lock"):
            os.mkdir(os.path.join(self.base, directory))
        self.certificate, self.key = make_certificate(self.base)
        for directory, _, files in os.walk(self.base):
            for path in [directory] + [os.path.join(directory, file) for file in files]:
                shutil.chown(path, "cyrus", "mail")
        work.on_close(self.stop)

    def _write_configuration(self):
        self.port = free_ports(1)[0]
        with open(os.path.join(self.base, "imapd.conf"), "w", encoding="utf-8") as file:
            file.write(IMAPD_CONF.format(
                base=self.base, hostname=HOSTNAME, certificate=self.certificate, key=self.key))
            for option, value in self.options.items():
                file.write(f"{option}: {value}\n")
            for option, value in self.sasl.items():
                file.write(f"sasl_{option}: {value}\n")
        with open(os.path.join(self.base, "cyrus.conf"), "w", encoding="utf-8") as file:
            file.write(CYRUS_CONF.format(bin=BIN, base=self.base, port=self.port))

    def start(self):
        self._write_configuration()
        with open(os.path.join(self.base, "output"), "wb") as output:
            self.master = subprocess.Popen(
                [f"{BIN}/master", "-C", f"{self.base}/imapd.conf", "-M", f"{self.base}/cyrus.conf",
                 "-p", f"{self.base}/run/master.pid", "-D"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={**os.environ, "SASL_PATH": self.plugin_path})
        deadline = time.monotonic() + START_SECONDS
        while not self._greets():
            if self.master.poll() is not None or time.monotonic() > deadline:
                self.stop()
                with open(os.path.join(self.base, "output"), encoding="utf-8") as file:
                    raise RuntimeError("Cyrus IMAP did not start\n" + file.read())
            time.sleep(0.05)

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as sock:
                return sock.recv(4) == b"* OK"
        except OSError:
            return False

    def stop(self):
        if self.master is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.master.pid, number)
                self.master.wait(STOP_SECONDS)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.master.wait(STOP_SECONDS)
        self.master = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()


def imtest(port, mechanism, user, password, plugin_path, lines, *options):
    """Runs imtest with these lines as its user's input; returns (exit status, what it printed)."""
    result = subprocess.run(
        [f"{BIN}/imtest", "-p", str(port), "-m", mechanism, "-a", user, "-u", user, "-w", password,
         *options, "127.0.0.1"],
        input="".join(line + "\r\n" for line in lines).encode(), capture_output=True, timeout=60,
        env={**os.environ, "SASL_PATH": plugin_path})
    return result.returncode, (result.stdout + result.stderr).decode("utf-8", "backslashreplace")
