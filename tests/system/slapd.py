# SPDX-License-Identifier: BSD-2-Clause
"""A private slapd on loopback, without a database: it only says who has logged in.

It becomes the user openldap before it loads plugins, then forks into the background, and its lookups
run in several threads. Debian's slapd reads the SASL configuration from one directory only, so the
process gets a mount namespace of its own in which that directory is ours.
"""

import grp
import os
import pwd
import shutil
import subprocess

import harness
import store
from daemon import Daemon, greets
from postfix import HOSTNAME, free_ports, make_certificate

USER = "openldap"
SASL_DIRECTORY = "/etc/ldap/sasl2"
WHOAMI_SECONDS = 300

SLAPD_CONF = """\
include /etc/ldap/schema/core.schema
pidfile {base}/run/slapd.pid
argsfile {base}/run/slapd.args
loglevel stats
threads 8
sasl-host {hostname}
sasl-realm {realm}
sasl-auxprops {auxprops}
sasl-secprops none
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
"""


def require():
    """Ends the program as skipped unless a slapd can be started here."""
    os.environ["PATH"] = harness.SBIN
    harness.require_ours()
    if os.getuid() != 0:
        harness.skip("slapd has to be started as root")
    for program, package in (("slapd", "slapd"), ("ldapwhoami", "ldap-utils")):
        if not shutil.which(program):
            harness.skip(f"{program} is missing: apt-get install {package}")
    if not os.path.isdir(SASL_DIRECTORY):
        harness.skip(f"this is not Debian's slapd: there is no {SASL_DIRECTORY}")
    harness.require_namespaces("slapd", "-m")


# A store ($1) where the plugin looks by itself, and what is in front of that in the machine's
# directories left alone.
DEFAULT_PLACES = """\
mount -t tmpfs tmpfs /mnt
for directory in /etc /var/lib; do
    mkdir -p "/mnt$directory/upper" "/mnt$directory/work"
    mount -t overlay overlay "$directory" -o \
        "lowerdir=$directory,upperdir=/mnt$directory/upper,workdir=/mnt$directory/work"
done
for place in /etc/sasl-lmdb /var/lib/sasl-lmdb; do
    mkdir -p "$place"
    mount --bind "$1" "$place"
done
"""


class Slapd(Daemon):
    """sasl: text of slapd.conf in the SASL directory. at_default: the directory of a store that is
    to lie, and its key, where the plugin looks for them by itself."""

    auxprops = "lmdb"

    def __init__(self, work, sasl, plugin_path, realm, name="slapd", at_default=None):
        super().__init__(work, name, plugin_path)
        self.sasl = sasl
        self.at_default = at_default
        self.realm = realm
        self.port = None
        self.run = os.path.join(self.base, "run")
        self.pid_file = os.path.join(self.run, "slapd.pid")
        self.certificate, self.key = make_certificate(self.base)
        os.mkdir(self.run)
        for path in (self.run, self.key):
            os.chown(path, pwd.getpwnam(USER).pw_uid, grp.getgrnam(USER).gr_gid)

    def write_configuration(self):
        self.port = free_ports(1)[0]
        with open(os.path.join(self.base, "slapd.conf"), "w", encoding="utf-8") as file:
            file.write(SLAPD_CONF.format(
                base=self.base, hostname=HOSTNAME, realm=self.realm,
                auxprops=self.auxprops, certificate=self.certificate, key=self.key))
        sasl = os.path.join(self.base, "sasl2")
        os.makedirs(sasl, exist_ok=True)
        with open(os.path.join(sasl, "slapd.conf"), "w", encoding="utf-8") as file:
            file.write(self.sasl)

    def command(self):
        places = DEFAULT_PLACES if self.at_default else ""
        script = f'set -e\n{places}mount --bind "$2" "$3"\nshift 3\nexec "$@"'
        return ["unshare", "-m", "sh", "-c", script, "sh", self.at_default or "",
                os.path.join(self.base, "sasl2"), SASL_DIRECTORY, "slapd", "-u", USER, "-g", USER,
                "-f", os.path.join(self.base, "slapd.conf"), "-h", f"ldap://127.0.0.1:{self.port}/"]

    def answers(self):
        # The client speaks first in LDAP: somebody listens, and the pid is written.
        return self.forked_pid() is not None and greets(self.port, b"")


def whoami(server, mechanism, user, password, *options, properties="none", plugins=store.PLUGINS):
    """Runs ldapwhoami; returns (exit status, what it printed). properties: what it asks of the
    mechanism; by default nothing, where its own default is to refuse PLAIN."""
    # Not "localhost", for which libldap puts the machine's own name.
    command = ["ldapwhoami", "-H", f"ldap://127.0.0.1:{server.port}", "-N", "-Q", "-Y", mechanism,
               "-U", user, "-w", password, "-O", properties, *options]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WHOAMI_SECONDS,
        env={**os.environ, "HOME": server.base, "LDAPTLS_CACERT": server.certificate,
             "SASL_PATH": plugins})
    return result.returncode, (result.stdout + result.stderr).strip()
