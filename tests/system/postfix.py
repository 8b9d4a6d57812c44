# SPDX-License-Identifier: BSD-2-Clause
"""A private Postfix on loopback: own configuration, queue, data directory, log, ports, certificate.

Nothing of it touches the machine's own Postfix. smtpd runs in a jail (chroot column "y"), which is
what Debian does and what makes a credential store hard to reach.
"""

import os
import pwd
import re
import signal
import socket
import subprocess
import time

HOSTNAME = "mail.lab.test"
START_SECONDS = 20
LOG_SECONDS = 30
PORT_ATTEMPTS = 3

MAIN_CF = {
    "compatibility_level": "3.6",
    "myhostname": HOSTNAME,
    "mydestination": "local.lab.test",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    # Otherwise every client on loopback could relay and the relay tests would prove nothing.
    "mynetworks": "127.0.0.9/32",
    # Accepted mail goes nowhere.
    "default_transport": "discard",
    "local_transport": "discard",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtpd_peername_lookup": "no",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_auth_rate_limit": "0",
    # The tests fail on purpose, often and many times in one connection.
    "smtpd_error_sleep_time": "0",
    "smtpd_soft_error_limit": "10000",
    "smtpd_hard_error_limit": "10000",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "cyrus",
    "smtpd_sasl_path": "smtpd",
    "smtpd_sasl_local_domain": "",
    "smtpd_sasl_security_options": "noanonymous",
    "smtpd_sasl_tls_security_options": "noanonymous",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
    "smtpd_tls_security_level": "may",
}

IMPORTED = "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME"

# Among a service's parameters: how many smtpd processes it may have (maxproc in master.cf).
PROCESS_LIMIT = "process limit"

# The same for whether they run in a jail: "y" or "n".
CHROOT = "chroot"

# name, type, private, unpriv, chroot, wakeup, maxproc, command
MASTER_CF = """\
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix  n - y - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - y - - trivial-rewrite
tlsmgr    unix  - - y 1000? 1 tlsmgr
anvil     unix  - - y - 1 anvil
proxymap  unix  - - n - - proxymap
bounce    unix  - - y - 0 bounce
defer     unix  - - y - 0 bounce
discard   unix  - - y - - discard
error     unix  - - y - - error
retry     unix  - - y - - error
"""

# What a healthy Postfix never logs.
CRASH = re.compile(
    r"killed by signal|exit status|panic:|fatal:|bad command startup|premature end-of-input"
)


def make_certificate(directory):
    """A self-signed certificate for localhost; returns (certificate, key)."""
    certificate = os.path.join(directory, "cert.pem")
    key = os.path.join(directory, "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    os.chmod(certificate, 0o644)
    return certificate, key


def free_ports(count):
    """Loopback ports nobody listens on at this moment."""
    sockets = []
    for _ in range(count):
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sockets.append(sock)
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


class LogFile:
    """A log, read by offset: a test looks only at what came after its mark()."""

    def __init__(self, path):
        self.path = path

    def size(self):
        try:
            return os.path.getsize(self.path)
        except FileNotFoundError:
            return 0

    def mark(self):
        """For a server that writes a line before it goes on."""
        return self.size()

    def text(self, since=0):
        """What came after since, whole lines only: a page's end may cut what is being written."""
        try:
            with open(self.path, "rb") as file:
                file.seek(max(since - 1, 0))
                content = file.read()
        except FileNotFoundError:
            return ""
        start = content.find(b"\n") + 1 if since else 0
        return content[start : content.rfind(b"\n") + 1].decode("utf-8", "backslashreplace")

    def wait_for(self, pattern, since=0, seconds=LOG_SECONDS):
        """The first line that matches; AssertionError with what is there if none comes."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + seconds
        while True:
            text = self.text(since)
            for line in text.splitlines():
                if expression.search(line):
                    return line
            if time.monotonic() > deadline:
                raise AssertionError(f"no log line matches {pattern!r} in:\n{text}")
            time.sleep(0.02)


class MailLog(LogFile):
    """What Postfix logs: postlogd writes it, some time after the server has gone on.

    A mark goes the way of the lines: nothing that was said before it can come after it.
    """

    def __init__(self, path, config):
        super().__init__(path)
        self.config = config
        self.marks = 0

    def mark(self):
        self.marks += 1
        tag = f"mark-{self.marks}"
        subprocess.run(["postlog", "-c", self.config, "-t", tag, "."], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=LOG_SECONDS)
        self.wait_for(f" {tag}\\[")
        with open(self.path, "rb") as file:
            line = re.search(rb" %s\[.*\n" % tag.encode(), file.read())
        return line.end()


class Postfix:
    """Context manager around one instance.

    services: name -> {parameter: value} of each smtpd, "smtp" alone by default.
    sasl_confs: application name (smtpd_sasl_path) -> text of its SASL configuration file.
    plugin_path: SASL_PATH of the smtpd processes; None leaves libsasl2's own directory.
    """

    def __init__(self, work, sasl_confs, plugin_path=None, services=None, settings=None,
                 name="postfix"):
        self.services = services or {"smtp": {}}
        self.sasl_confs = sasl_confs
        self.plugin_path = plugin_path
        self.settings = settings or {}
        self.ports = {}
        base = work.mkdir(name, 0o711)
        self.config = os.path.join(base, "config")
        self.queue = os.path.join(base, "queue")
        self.data = os.path.join(base, "data")
        self.logs = os.path.join(base, "logs")
        self.log = MailLog(os.path.join(self.logs, "maillog"), self.config)
        for directory in (self.config, self.queue, self.data, self.logs):
            os.mkdir(directory)
            os.chmod(directory, 0o755)
        account = pwd.getpwnam("postfix")
        os.chown(self.data, account.pw_uid, account.pw_gid)
        self.certificate, self.certificate_key = make_certificate(self.config)
        work.on_close(self.stop)

    @property
    def port(self):
        return self.ports["smtp"]

    def write_sasl_conf(self, application, text):
        directory = os.path.join(self.config, "sasl")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, application + ".conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def _write_configuration(self):
        self.ports = dict(zip(self.services, free_ports(len(self.services))))
        imported = IMPORTED
        if self.plugin_path is not None:
            imported += " SASL_PATH=" + self.plugin_path
        parameters = {
            **MAIN_CF,
            "queue_directory": self.queue,
            "data_directory": self.data,
            "maillog_file": self.log.path,
            "maillog_file_prefixes": self.logs,
            "smtpd_tls_cert_file": self.certificate,
            "smtpd_tls_key_file": self.certificate_key,
            "import_environment": imported,
            **self.settings,
        }
        with open(os.path.join(self.config, "main.cf"), "w", encoding="utf-8") as file:
            for key, value in parameters.items():
                file.write(f"{key} = {value}\n")
        with open(os.path.join(self.config, "master.cf"), "w", encoding="utf-8") as file:
            file.write(MASTER_CF)
            for service, options in self.services.items():
                options = dict(options)
                limit = options.pop(PROCESS_LIMIT, "-")
                jail = options.pop(CHROOT, "y")
                file.write(f"127.0.0.1:{self.ports[service]} inet n - {jail} - {limit} smtpd\n")
                for key, value in options.items():
                    file.write(f"  -o {{ {key} = {value} }}\n")
        for application, text in self.sasl_confs.items():
            self.write_sasl_conf(application, text)

    def _command(self, verb):
        """Runs `postfix VERB`; its output goes to a file, as a daemon might keep a pipe open."""
        output = os.path.join(self.logs, "command")
        with open(output, "w", encoding="utf-8") as file:
            status = subprocess.run(
                ["postfix", "-c", self.config, verb],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=60).returncode
        with open(output, encoding="utf-8", errors="backslashreplace") as file:
            return status, file.read()

    def start(self):
        for attempt in range(PORT_ATTEMPTS):
            self._write_configuration()
            since = self.log.size()
            status, output = self._command("start")
            if status == 0 and self._answers():
                return
            log = self.log.text(since)
            self.stop()
            if "Address already in use" not in log or attempt == PORT_ATTEMPTS - 1:
                raise RuntimeError(f"postfix start: status {status}\n{output}\n{log}")

    def _answers(self):
        """Waits until every smtpd greets; false when one does not within START_SECONDS."""
        deadline = time.monotonic() + START_SECONDS
        for service, port in self.ports.items():
            wrapped = self.services[service].get("smtpd_tls_wrappermode") == "yes"
            while not self._greets(port, wrapped):
                if time.monotonic() > deadline or self.master_pid() is None:
                    return False
                time.sleep(0.05)
        return True

    @staticmethod
    def _greets(port, wrapped):
        """Under TLS from the first byte there is no greeting to read; somebody listens, then."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as sock:
                return wrapped or sock.recv(4) == b"220 "
        except OSError:
            return False

    def master_pid(self):
        """The pid of our own running master, else None."""
        try:
            with open(os.path.join(self.queue, "pid", "master.pid"), encoding="ascii") as file:
                pid = int(file.read())
            # The queue directory is ours alone, so a process that works in it is ours too.
            return pid if os.readlink(f"/proc/{pid}/cwd") == self.queue else None
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None

    def processes(self):
        """(pid, name) of all living processes of this instance."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                if os.readlink(f"/proc/{entry}/cwd") != self.queue:
                    continue
                with open(f"/proc/{entry}/comm", encoding="utf-8") as file:
                    found.append((int(entry), file.read().strip()))
            except OSError:
                continue
        return found

    def restart(self):
        """Fresh processes on the same ports."""
        self.stop()
        status, output = self._command("start")
        if status != 0 or not self._answers():
            raise RuntimeError(f"postfix start: status {status}\n{output}\n{self.log.text()}")

    def _signal_all(self, number):
        for pid, _ in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def _wait_until_gone(self, seconds):
        deadline = time.monotonic() + seconds
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.processes()

    def stop(self):
        """Ends the instance: asks master, then `postfix stop`, then kills what is left of it."""
        master = self.master_pid()
        if master is not None:
            os.kill(master, signal.SIGTERM)
        if self._wait_until_gone(5):
            return
        self._command("stop")
        self._signal_all(signal.SIGKILL)
        self._wait_until_gone(5)

    def crashes(self):
        """Log lines that tell of a process that died."""
        return [line for line in self.log.text().splitlines() if CRASH.search(line)]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()
