# SPDX-License-Identifier: BSD-2-Clause
"""A private sendmail on loopback.

It initialises libsasl2 as root, forks into the background, forks again for each connection, and there
becomes its RunAsUser for good before the client says a word: so a store that was opened at the start
is two processes away, and only what USER may read can be opened afresh.
"""

import os
import pwd
import shutil

import harness
import store
from daemon import Daemon, greets
from postfix import HOSTNAME, free_ports

PROGRAM, RULES = "usr/libexec/sendmail/sendmail", "usr/share/sendmail/cf/m4/cf.m4"
PACKAGES = {"sendmail-bin": PROGRAM, "sendmail-cf": RULES}

USER, GROUP = "nobody", "nogroup"

# sendmail reads plugins and configuration only if nobody but root may write to a directory above
# them. Its process sees ours here.
SAFE = "/mnt"

# Loopback is 127.0.0.1 to its rules, and may relay. This is somebody else.
STRANGER = "127.0.0.2"

SENDMAIL_MC = """\
include(`{rules}')dnl
OSTYPE(`linux')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`accept_unresolvable_domains')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`confSERVICE_SWITCH_FILE', `{base}/switch')dnl
define(`confPID_FILE', `{base}/pid')dnl
define(`QUEUE_DIR', `{base}/queue')dnl
define(`ALIAS_FILE', `')dnl
define(`STATUS_FILE', `')dnl
define(`HELP_FILE', `')dnl
define(`confDELIVERY_MODE', `queueonly')dnl
define(`confTO_IDENT', `0')dnl
define(`confREFUSE_LA', `100000')dnl
define(`confQUEUE_LA', `100000')dnl
define(`confRUN_AS_USER', `{user}:{group}')dnl
define(`confAUTH_REALM', `{realm}')dnl
define(`confAUTH_MECHANISMS', `{mechanisms}')dnl
TRUST_AUTH_MECH(`{mechanisms}')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
LOCAL_CONFIG
ESASL_PATH={safe}/plugins
ESASL_CONF_PATH={safe}/sasl
MAILER(`smtp')dnl
"""

# What it runs in: a host with a name that has a dot, or it would sleep for a minute first.
SCRIPT = """\
hostname "$1" && mount --bind "$2/hosts" /etc/hosts && mount --bind "$2/safe" "$3" && shift 3 && exec "$@"
"""


def require():
    """Ends the program as skipped unless a sendmail can be started here."""
    os.environ["PATH"] = harness.SBIN
    harness.require_ours()
    if os.getuid() != 0:
        harness.skip("sendmail has to be started as root")
    if not shutil.which("m4"):
        harness.skip("m4 is missing: apt-get install m4")
    harness.require_namespaces("sendmail", "-m", "-u")


class Sendmail(Daemon):
    """directory: below which PACKAGES are. sasl: option -> value of Sendmail.conf."""

    user, packages = USER, PACKAGES

    def __init__(self, work, directory, sasl, plugin_path, realm, name="sendmail"):
        super().__init__(work, name, plugin_path)
        self.rules = os.path.join(directory, RULES)
        self.sasl = sasl
        self.realm = realm
        self.port = None
        self.pid_file = os.path.join(self.base, "pid")
        # A program with the setgid bit would not get our logging preloaded.
        self.program = os.path.join(self.base, "program")
        shutil.copyfile(os.path.join(directory, PROGRAM), self.program)
        os.chmod(self.program, 0o755)
        for path in ("queue", "safe", "safe/sasl"):
            os.mkdir(os.path.join(self.base, path), 0o755)
        shutil.copytree(plugin_path, os.path.join(self.base, "safe/plugins"))
        account = pwd.getpwnam(USER)
        os.chown(os.path.join(self.base, "queue"), account.pw_uid, account.pw_gid)
        self._write("hosts", f"127.0.0.1 localhost\n127.0.0.1 {HOSTNAME}\n")
        self._write("switch", "hosts files\naliases files\n")

    def _write(self, name, text):
        with open(os.path.join(self.base, name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_configuration(self):
        self.port = free_ports(1)[0]
        macros = SENDMAIL_MC.format(
            rules=self.rules, base=self.base, safe=SAFE, hostname=HOSTNAME, realm=self.realm,
            port=self.port, user=USER, group=GROUP, mechanisms=self.sasl["mech_list"])
        directory = os.path.dirname(os.path.dirname(self.rules))
        self._write("sendmail.cf", store.must(store.run(
            ["m4", "-I", directory, "-"], secret=macros)).stdout)
        self._write("safe/sasl/Sendmail.conf", "".join(
            f"{option}: {value}\n" for option, value in {**self.sasl, "log_level": "2"}.items()))

    def within(self, *arguments):
        """The command that runs it with these arguments."""
        return ["unshare", "-m", "-u", "sh", "-c", SCRIPT, "sh", HOSTNAME, self.base, SAFE,
                self.program, "-C", os.path.join(self.base, "sendmail.cf"), *arguments]

    def command(self):
        return self.within("-bd")

    def answers(self):
        return self.forked_pid() is not None and greets(self.port, b"220 ")

    def version(self):
        """The result of having it say what it was built with; nothing where a library is missing."""
        self.write_configuration()
        return store.run(self.within("-d0.1", "-bt"))
