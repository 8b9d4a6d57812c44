# SPDX-License-Identifier: BSD-2-Clause
"""A slapd that holds accounts, for the stock ldapdb plugin, and another one that replicates it.

ldapdb logs in as "sasl", whom the directory knows by a verifier too, and then asks in the name of
the user that wants to log in (RFC 4370): so it is the user's own access that decides what it sees.
"""

import os
import pwd
import secrets
import time

import otherstore
import slapd
import store
from daemon import greets
from postfix import free_ports

SUFFIX = "dc=lab,dc=test"
PEOPLE = "ou=people," + SUFFIX
SERVICES = "ou=services," + SUFFIX
ID = "sasl@lab.test"
ROOT = "cn=admin," + SUFFIX

CLIENT = {"LDAPNOINIT": ""}
NO_SUCH_OBJECT = 32
SYNC_SECONDS = 30

SCHEMA = os.path.join(store.ROOT, "packaging/openldap/sasl-lmdb.schema")

DATABASE = """\
include /etc/ldap/schema/cosine.schema
include {schema}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov

authz-policy to
authz-regexp "^uid={id},(cn=[^,]+,)?cn=[^,]+,cn=auth$" "uid={id},{services}"
authz-regexp "^uid=([^,]+),(cn=[^,]+,)?cn=[^,]+,cn=auth$" "uid=$1,{people}"

database mdb
suffix "{suffix}"
directory {base}/db
maxsize 67108864
dbnosync
index objectClass,entryUUID,entryCSN eq
rootdn "{root}"
rootpw {rootpw}
# The plugin reads an account as that account, and slapd what the plugin logs in with as nobody yet.
access to dn.subtree="{people}"
    by self read
    by * none
access to dn.subtree="{services}"
    by self auth
    by anonymous auth
    by * none
"""

PROVIDER = """\
overlay syncprov
"""

REPLICA = """\
syncrepl rid=1 provider=ldap://127.0.0.1:{provider_port}
    type=refreshAndPersist retry="1 +"
    searchbase="{suffix}" bindmethod=simple binddn="{root}" credentials={rootpw}
updateref ldap://127.0.0.1:{provider_port}
"""

TOP = f"""\
dn: {SUFFIX}
objectClass: domain
dc: lab

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {SERVICES}
objectClass: organizationalUnit
ou: services
"""

# What "sasl" may do: stand for every account.
PROXY = f"""\
dn: uid={ID},{SERVICES}
changetype: modify
add: authzTo
authzTo: dn.onelevel:{PEOPLE}
"""


def require():
    slapd.require()
    otherstore.require_plugin("ldapdb", "libsasl2-modules-ldap")


def ldif(made, base, *options):
    """The accounts of a store of ours as entries below base."""
    return store.must(made.tool("export", "--format", "ldif", "--with-secrets", "--base", base,
                                *options)).stdout


def serve(enter, work, made, plugin_password):
    """Starts two of them and moves the accounts of a store of ours there. enter is what enters a
    context. Returns provider, replica and the plugin's options."""
    root_password = secrets.token_hex(16)
    provider = enter(Directory(work, root_password, "provider"))
    provider.ldap("ldapadd", text=TOP)
    provider.ldap("ldapadd", text=ldif(made, PEOPLE))
    # The directory keeps no password of the plugin's own account either.
    own = store.LmdbStore(work, "own")
    own.create("--verifiers", "strict")
    own.add_all([(*ID.split("@"), plugin_password)])
    provider.ldap("ldapadd", text=ldif(own, SERVICES))
    provider.ldap("ldapmodify", text=PROXY)
    replica = enter(Directory(work, root_password, "replica", provider))
    replica.wait_for_provider()
    return provider, replica, {
        "ldapdb_uri": f"{provider.uri} {replica.uri}",
        "ldapdb_id": ID,
        "ldapdb_pw": plugin_password,
        "ldapdb_mech": "SCRAM-SHA-256",
    }


class Directory(slapd.Slapd):
    """provider: the Directory this one is a replica of. In the foreground, so that SIGKILL to
    `process` is the death of it."""

    auxprops = "slapd"

    def __init__(self, work, root_password, name="slapd", provider=None):
        super().__init__(
            work, "auxprop_plugin: slapd\nmech_list: SCRAM-SHA-256 SCRAM-SHA-1\n",
            store.PLUGINS, "lab.test", name)
        self.root_password = root_password
        self.provider = provider
        self.pid_file = None
        database = os.path.join(self.base, "db")
        os.mkdir(database, 0o700)
        account = pwd.getpwnam(slapd.USER)
        os.chown(database, account.pw_uid, account.pw_gid)

    @property
    def uri(self):
        return f"ldap://127.0.0.1:{self.port}"

    def write_configuration(self):
        port = self.port
        super().write_configuration()
        if port is not None:
            self.port = port
        text = DATABASE + (REPLICA if self.provider else PROVIDER)
        with open(os.path.join(self.base, "slapd.conf"), "a", encoding="utf-8") as file:
            file.write(text.format(
                base=self.base, schema=SCHEMA, suffix=SUFFIX, people=PEOPLE, services=SERVICES,
                id=ID, root=ROOT, rootpw=self.root_password,
                provider_port=self.provider and self.provider.port))

    def command(self):
        return [*super().command(), "-d", "0"]

    def answers(self):
        return greets(self.port, b"")

    def kill(self):
        """As the power cut would."""
        self.process.kill()
        self.process.wait()

    def ldap(self, program, *arguments, text=""):
        """Runs a tool of ldap-utils as the administrator."""
        return store.must(store.run(
            [program, "-x", "-H", self.uri, "-D", ROOT, "-w", self.root_password, *arguments],
            secret=text, env=CLIENT)).stdout

    def search(self, *arguments):
        """Runs ldapsearch as somebody else, by default nobody; what it prints if it is let in."""
        result = store.run(["ldapsearch", *(() if "-Y" in arguments else ("-x",)), "-H", self.uri,
                            *arguments], env={**CLIENT, "SASL_PATH": store.PLUGINS})
        if result.returncode not in (0, NO_SUCH_OBJECT):
            raise AssertionError(f"{result.args}: {result.returncode}\n{result.stderr}")
        return result.stdout

    def wait_for_provider(self):
        """Returns once everything the provider has is here."""
        deadline = time.monotonic() + SYNC_SECONDS
        while self.change_number() != self.provider.change_number():
            if time.monotonic() > deadline:
                raise AssertionError(f"the replica is behind\n{self.said()}")
            time.sleep(0.05)

    def change_number(self):
        """What names the state of the database (contextCSN); empty before there is one."""
        result = store.run(
            ["ldapsearch", "-x", "-H", self.uri, "-D", ROOT, "-w", self.root_password, "-LLL", "-b",
             SUFFIX, "-s", "base", "contextCSN"], env=CLIENT)
        lines = result.stdout.splitlines()
        return [line for line in lines if line.startswith("contextCSN:")]
