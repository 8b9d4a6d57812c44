# SPDX-License-Identifier: BSD-2-Clause
"""A private Kerberos realm on loopback: a KDC, its accounts, key tables for servers, tickets for users."""

import os
import shutil

import harness
import store
from daemon import Daemon, greets
from postfix import free_ports

REALM = "LAB.TEST"
MASTER_PASSWORD = "of the database"

KRB5_CONF = """\
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    # A server has the name of its host, and loopback is where it is found.
    ignore_acceptor_hostname = true
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
"""

KDC_CONF = """\
[realms]
    {realm} = {{
        database_name = {base}/principal
        key_stash_file = {base}/stash
        kdc_listen = 127.0.0.1:{port}
        kdc_tcp_listen = 127.0.0.1:{port}
    }}
[logging]
    kdc = SYSLOG
"""


def require():
    """Ends the program as skipped unless a KDC can be started here."""
    for program, package in (("krb5kdc", "krb5-kdc"), ("kadmin.local", "krb5-admin-server"),
                             ("kinit", "krb5-user")):
        if not shutil.which(program):
            harness.skip(f"{program} is missing: apt-get install {package}")


class Kdc(Daemon):
    def __init__(self, work, name="kdc"):
        super().__init__(work, name, plugin_path="")
        self.port = None
        self.krb5_conf = os.path.join(self.base, "krb5.conf")
        self.kdc_conf = os.path.join(self.base, "kdc.conf")

    def write_configuration(self):
        self.port = free_ports(1)[0]
        for path, text in ((self.krb5_conf, KRB5_CONF), (self.kdc_conf, KDC_CONF)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.format(base=self.base, realm=REALM, port=self.port))
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", MASTER_PASSWORD)

    def client_environment(self):
        return {"KRB5_CONFIG": self.krb5_conf}

    def environment(self):
        return {**super().environment(), **self.client_environment(),
                "KRB5_KDC_PROFILE": self.kdc_conf}

    def command(self):
        return ["krb5kdc", "-n"]

    def answers(self):
        return greets(self.port, b"")

    def _run(self, *command, secret=None):
        return store.must(store.run(command, secret, env=self.environment()))

    def _administer(self, *words):
        self._run("kadmin.local", "-r", REALM, "-q", " ".join(words))

    def add(self, user, password):
        self._administer("addprinc", "-pw", f'"{password}"', user)

    def serve(self, service, owner):
        """Makes keys for a server; what its environment needs so that it finds them. service: its
        name with the host, as in imap/localhost."""
        path = os.path.join(self.base, service.replace("/", "-") + ".keytab")
        self._administer("addprinc", "-randkey", service)
        self._administer("ktadd", "-k", path, service)
        shutil.chown(path, owner)
        return {**self.client_environment(), "KRB5_KTNAME": path, "KRB5RCACHENAME": "none:"}

    def kinit(self, user, password):
        """Gets a ticket; what the environment of a client needs in order to use it."""
        cache = os.path.join(self.base, user + ".cache")
        self._run("kinit", "-c", cache, user, secret=password + "\n")
        return {**self.client_environment(), "KRB5CCNAME": cache}
