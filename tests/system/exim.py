# SPDX-License-Identifier: BSD-2-Clause
"""A private Exim on loopback.

At its start it initialises and ends libsasl2 once for each authenticator, so that the plugins are
loaded and unloaded as often in one process, as root; then again in a forked child, as its own user,
for each AUTH.
"""

import os
import pwd

import store
from daemon import Daemon, greets
from postfix import HOSTNAME, free_ports

PROGRAM = "usr/sbin/exim4"
PACKAGES = {"exim4-daemon-heavy": PROGRAM}

# Debian's Exim does not start without this account. Its process sees a passwd file in which that is
# another name of USER.
ACCOUNT = "Debian-exim"
USER = "nobody"

EXIM_CONF = """\
primary_hostname = {hostname}
spool_directory = {base}/spool
log_file_path = {base}/logs/%s
pid_file_path = {base}/spool/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
keep_environment = SASL_PATH : SASL_CONF_PATH : SYSLOG_FILE
tls_advertise_hosts =
auth_advertise_hosts = *
queue_only = true
acl_smtp_rcpt = recipient
begin acl
recipient:
  accept authenticated = *
  deny message = relay not permitted
begin authenticators
"""

AUTHENTICATOR = """\
{name}:
  driver = cyrus_sasl
  public_name = {mechanism}
  server_realm = {realm}
  server_hostname = {hostname}
  server_set_id = $auth1
"""


class Exim(Daemon):
    """directory: below which PACKAGES are. sasl: option -> value of exim.conf in the SASL configuration
    directory."""

    user, packages = USER, PACKAGES

    def __init__(self, work, directory, sasl, plugin_path, realm, name="exim"):
        super().__init__(work, name, plugin_path)
        self.program = os.path.join(directory, PROGRAM)
        self.sasl = sasl
        self.realm = realm
        self.port = None
        self.main_log = os.path.join(self.base, "logs", "main")
        account = pwd.getpwnam(USER)
        for directory in ("spool", "logs", "sasl"):
            path = os.path.join(self.base, directory)
            os.mkdir(path)
            if directory != "sasl":
                os.chown(path, account.pw_uid, account.pw_gid)
        for file, line in (("passwd", f"{ACCOUNT}:x:{account.pw_uid}:{account.pw_gid}::/:/bin/false"),
                           ("group", f"{ACCOUNT}:x:{account.pw_gid}:")):
            with open("/etc/" + file, encoding="utf-8") as existing:
                lines = [text for text in existing if not text.startswith(ACCOUNT + ":")]
            with open(os.path.join(self.base, file), "w", encoding="utf-8") as copy:
                copy.writelines([line + "\n", *lines])

    def write_configuration(self):
        self.port = free_ports(1)[0]
        with open(os.path.join(self.base, "exim.conf"), "w", encoding="utf-8") as file:
            file.write(EXIM_CONF.format(base=self.base, hostname=HOSTNAME, port=self.port))
            for mechanism in self.sasl["mech_list"].split():
                file.write(AUTHENTICATOR.format(
                    name=mechanism.lower().replace("-", "_"), mechanism=mechanism,
                    realm=self.realm, hostname=HOSTNAME))
        with open(os.path.join(self.base, "sasl", "exim.conf"), "w", encoding="utf-8") as file:
            for option, value in {**self.sasl, "log_level": "2"}.items():
                file.write(f"{option}: {value}\n")

    def environment(self):
        return {**super().environment(), "SASL_CONF_PATH": os.path.join(self.base, "sasl")}

    def within(self, *arguments):
        """The command that runs it with these arguments."""
        script = ('mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && '
                  'shift && exec "$@"')
        return ["unshare", "-m", "sh", "-c", script, "sh", self.base,
                self.program, "-C", os.path.join(self.base, "exim.conf"), *arguments]

    def command(self):
        return self.within("-bdf")

    def version(self):
        """The result of having it say what it was built with; nothing where a library is missing."""
        self.write_configuration()
        return store.run(self.within("-bV"))

    def answers(self):
        return greets(self.port, b"220 ")

    def said(self):
        text = super().said()
        if os.path.exists(self.main_log):
            with open(self.main_log, encoding="utf-8", errors="backslashreplace") as file:
                text += file.read()
        return text
