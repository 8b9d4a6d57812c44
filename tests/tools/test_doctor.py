# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb doctor: silent on sound set-ups, and one broken set-up for each thing it can say.

Each set-up is a tree that stands for a whole machine, with a real store in it; --root points there.
"""

import functools
import grp
import json
import os
import pwd
import re
import shutil
import socket
import sys
import tempfile
import unittest

import toolkit

AS_ROOT = os.geteuid() == 0
# Accounts of the trees. Where this test is not root it cannot give files away.
OWNER = 7000 if AS_ROOT else os.getuid()
CYRUS, CYRUS_GROUP = 47001, 47002
POSTFIX, OTHER = 102, 47009
UPTIME = 100000
SASL = 7003 if AS_ROOT else os.getgid()

PLUGINS = "/usr/local/lib/sasl-lmdb"
STOCK = "/usr/lib/sasl2"
# Where cmake --install would have put plugins, and Debian has them.
INSTALLED = os.environ.get("SASL_LMDB_INSTALLED", "/usr/local/lib/sasl2")
TRIPLET = os.environ.get("SASL_LMDB_TRIPLET", "x86_64-linux-gnu")
STORE = "/var/lib/sasl-lmdb/users.mdb"
KEY = "/etc/sasl-lmdb/key"
OURS = b"\x7fELF sasl_server_plug_init\0sasl-lmdb: mech=\0"
THEIRS = b"\x7fELF sasl_server_plug_init\0"

OPENED = (f"7f00-7f01 r--s 0 00:01 7 {STORE}\n"
          f"7f02-7f03 rw-s 0 00:01 8 {STORE}-lock\n")

MAIN = {
    "myhostname": "mail.example.org",
    "mynetworks": "127.0.0.0/8 [::1]/128",
    "smtpd_sasl_local_domain": "$mydomain",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_chain_files": "/etc/ssl/chain.pem",
    "smtpd_tls_auth_only": "yes",
    "smtpd_client_auth_rate_limit": "20",
    "smtpd_relay_restrictions": "permit_mynetworks,\n    # who has logged in\n"
                                "    permit_sasl_authenticated, reject_unauth_destination",
    "import_environment": f"MAIL_CONFIG TZ LANG=C SASL_PATH={PLUGINS}",
    "mua_client_restrictions": "permit_sasl_authenticated, reject",
}
SUBMISSION = {"smtpd_sasl_auth_enable": "yes", "smtpd_tls_security_level": "encrypt",
              "smtpd_client_restrictions": "$mua_client_restrictions"}
SMTPD_CONF = {"pwcheck_method": "auxprop", "auxprop_plugin": "lmdb",
              "mech_list": "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256"}
IMAPD_CONF = {
    "configdirectory": "/var/lib/cyrus", "servername": "mail.example.org",
    "loginrealms": "example.org", "allowplaintext": "no", "tls_server_cert": "/etc/ssl/chain.pem",
    "tls_server_key": "/etc/ssl/chain.pem",
    "sasl_pwcheck_method": "auxprop", "sasl_auxprop_plugin": "lmdb",
    "sasl_mech_list": "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256",
    "sasl_lmdb_channel_binding": "none",
}


@functools.cache
def made_store(verifiers, users):
    """Data, lock file and key of a store with these users. Most trees have the same."""
    with tempfile.TemporaryDirectory(prefix="sasl-lmdb-tools-") as directory:
        store = toolkit.Store(directory)
        steps = [(["init", "--iterations", toolkit.FEW_ITERATIONS, "--verifiers", verifiers], b"")]
        if AS_ROOT:
            steps[0][0].extend(["--owner", "root"])
        if users:
            lines = "".join(f"{user}\t{realm}\tsecret-{user}\n" for user, realm in users)
            steps.append((["import", "--format", "tsv", "-"], lines.encode()))
        for step, stdin in steps:
            result = store.tool(*step, stdin=stdin)
            assert result.status == 0, result
        return [toolkit.contents(path) for path in (store.path, store.lock, store.key)]


class Site:
    """A tree for a machine. The dictionaries are what a case changes before write()."""

    def __init__(self, root, postfix=True, imap=False):
        self.root = root
        self.postfix = postfix
        self.imap = imap
        self.main = dict(MAIN)
        self.services = {"smtp": {}, "submission": dict(SUBMISSION)}
        self.chroot = "y"
        self.conf = dict(SMTPD_CONF)
        self.conf_path = "/etc/postfix/sasl/smtpd.conf"
        self.imapd = dict(IMAPD_CONF)
        self.defaults = f"SASL_PATH={PLUGINS}\n"
        self.plugins = {PLUGINS: {f"lib{name}.so": OURS for name in
                                  ("plain", "login", "scram", "crammd5", "digestmd5",
                                   "sasllmdb")}}
        self.store_path, self.key_path = STORE, KEY
        self.verifiers = "scram-sha-1,scram-sha-256" + (",checkpass" if imap else "")
        self.users = [("alice", "example.org"), ("bob", "example.org")]
        self.debian = True
        self.groups = f"postfix:x:105:\nsasl:x:{SASL}:cyrus\nmail:x:{CYRUS_GROUP}:\n"
        self.after = []  # run when everything is there
        self.arguments = []

    def path(self, name):
        """Where a file of the tree really is."""
        return self.root + name

    def mkdir(self, name):
        os.makedirs(self.path(name), exist_ok=True)

    def file(self, name, contents, mode=0o644):
        self.mkdir(os.path.dirname(name))
        with open(self.path(name), "wb") as file:
            file.write(contents if isinstance(contents, bytes) else contents.encode())
        os.chmod(self.path(name), mode)

    def process(self, pid, name, uid=0, groups=(), environ=b"", arguments=(), maps="", mounts="",
                age=None, real_uid=None, program=None):
        """A running process, as /proc shows it; age in seconds."""
        at = f"/proc/{pid}/"
        ids = f"{uid if real_uid is None else real_uid}\t{uid}\t{uid}\t{uid}"
        if program is None:
            program = f"/usr/libexec/{name}"
            self.file(program, "", 0o755)
        self.mkdir(at)
        os.symlink(program, self.path(at + "exe"))
        self.file(at + "comm", name + "\n")
        self.file(at + "status", f"Name:\t{name}\nUid:\t{ids}\nGid:\t47003\t47003\t47003\t47003\n"
                                 f"Groups:\t{' '.join(map(str, groups))} \n")
        self.file(at + "environ", environ)
        self.file(at + "cmdline", b"".join(a.encode() + b"\0" for a in (name, *arguments)))
        self.file(at + "maps", maps)
        self.file(at + "mountinfo", mounts)
        if age is not None:
            ticks = (UPTIME - age) * os.sysconf("SC_CLK_TCK")
            self.file("/proc/uptime", f"{UPTIME}.00 1234.50\n")
            self.file(at + "stat", f"{pid} (a) (b) S {'0 ' * 18}{ticks} 0 0\n")

    def smtpd(self, maps=None, uid=POSTFIX, **options):
        """A process of Postfix that has, or not, opened the store."""
        self.process(401, "smtpd", uid, environ=f"SASL_PATH={PLUGINS}\0".encode(),
                     maps=f"7f00-7f01 r--p 0 00:01 8 {PLUGINS}/libsasllmdb.so\n" +
                     (OPENED if maps is None else maps), **options)

    def make_store(self):
        """A store with its users; its files get the modes and groups that init --group gives."""
        for path, contents, mode in zip(
                (self.store_path, self.store_path + "-lock", self.key_path),
                made_store(self.verifiers, tuple(self.users)), (0o640, 0o660, 0o640)):
            self.file(path, contents, mode)
            if AS_ROOT:
                os.chown(self.path(path), OWNER, SASL)

    def write(self):
        """Everything on the disk."""
        self.file("/etc/hostname", "mail\n")
        if self.debian:
            self.file("/etc/debian_version", "12.1\n")
        self.file("/etc/passwd", "root:x:0:0::/:/bin/sh\npostfix:x:102:105::/:/bin/false\n"
                                 f"cyrus:x:{CYRUS}:{CYRUS_GROUP}::/:/bin/sh\n")
        self.file("/etc/group", self.groups)
        self.file("/etc/ssl/chain.pem", "certificate\n")
        if self.postfix:
            self.mkdir("/var/spool/postfix")
            self.file("/etc/postfix/main.cf", "# a comment\n" + "".join(
                f"{name} = {value}\n" for name, value in self.main.items()))
            self.file("/etc/postfix/master.cf", "".join(
                f"{name} inet n - {self.chroot} - - smtpd\n" + "".join(
                    f"  -o {{ {parameter} = {value} }}\n" for parameter, value in options.items())
                for name, options in self.services.items()) + "pickup unix n - y 60 1 pickup\n")
            if self.conf is not None:
                self.file(self.conf_path, "".join(
                    f"{name}: {value}\n" for name, value in self.conf.items()))
        if self.imap:
            self.file("/etc/imapd.conf", "".join(
                f"{name}: {value}\n" for name, value in self.imapd.items()))
            self.file("/etc/default/cyrus-imapd", self.defaults)
        for directory, files in self.plugins.items():
            self.mkdir(directory)
            for name, contents in files.items():
                self.file(f"{directory}/{name}", contents)
        if self.store_path is not None:
            self.make_store()
        for step in self.after:
            step(self)

    def doctor(self, *arguments):
        return toolkit.run([toolkit.TOOL, "doctor", "--root", self.root, *self.arguments,
                            *arguments])


# --- one function for each sentence: what is wrong with a sound set-up ---

CASES = {}  # id -> [(function, options of Site, every id that is expected)]


def case(*ids, **options):
    """Registers a broken set-up: its id first, then what else has to be found in it."""
    def register(function):
        CASES.setdefault(ids[0], []).append((function, options, set(ids)))
        return function
    return register


def later(site, step):
    site.after.append(step)


@case("nothing-found", postfix=False)
def _(site):
    site.store_path = None


@case("unreadable")
def _(site):
    later(site, lambda s: (os.unlink(s.path("/etc/postfix/master.cf")),
                           os.mkfifo(s.path("/etc/postfix/master.cf"))))


@case("unreadable", "legacy", imap=True)
def _(site):
    later(site, lambda s: (os.unlink(s.path("/etc/imapd.conf")),
                           os.symlink("imapd.conf", s.path("/etc/imapd.conf"))))


@case("unreadable")
def _(site):
    later(site, lambda s: s.file("/etc/postfix/main.cf", b"#" * 2 * 1024 * 1024))


@case("store-none", "auth-off", postfix=True)
def _(site):
    site.store_path = None
    del site.services["submission"]


@case("unreadable", "conf-missing", "store-none")
def _(site):
    later(site, lambda s: (os.unlink(s.path(s.conf_path)), s.mkdir(s.conf_path)))
    site.store_path = None


@case("main-syntax")
def _(site):
    site.main["x\nno equals sign"] = "\n"
    site.main = {"x = y\nno_equals_sign\nz": "", **MAIN}


@case("auth-off", "auth-off-submission")
def _(site):
    site.services["submission"]["smtpd_sasl_auth_enable"] = "no"


@case("auth-off-submission")
def _(site):
    site.services["[::1]:465"] = {"smtpd_tls_wrappermode": "yes"}


@case("auth-port-25")
def _(site):
    site.services["smtp"]["smtpd_sasl_auth_enable"] = "yes"


@case("sasl-type")
def _(site):
    site.services["submission"].update(
        {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"})
    later(site, lambda s: s.file("/var/spool/postfix/private/auth", ""))


@case("dovecot-socket", "sasl-type")
def _(site):
    site.services["submission"].update(
        {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"})


@case("auth-without-tls")
def _(site):
    site.main["smtpd_tls_auth_only"] = "no"
    site.services["submission"]["smtpd_tls_security_level"] = "may"


@case("tls-missing")
def _(site):
    site.services["submission"]["smtpd_tls_security_level"] = "none"


@case("certificate-unset")
def _(site):
    site.main["smtpd_tls_chain_files"] = ""
    site.main["smtpd_tls_cert_file"] = "none"


@case("certificate-missing")
def _(site):
    site.main["smtpd_tls_chain_files"] = "/etc/ssl/other.pem"


@case("tls-too-new")
def _(site):
    site.main["smtpd_tls_mandatory_protocols"] = ">=TLSv1.3"


@case("tls-too-new")
def _(site):
    site.services["submission"].update({"smtpd_tls_security_level": "may",
                                        "smtpd_tls_protocols": "!SSLv2:!SSLv3 TLSv1.3"})


@case("tls-too-old")
def _(site):
    site.main["smtpd_tls_mandatory_protocols"] = "TLSv1, TLSv1.1"


@case("tls-old-refused")
def _(site):
    site.main["smtpd_tls_mandatory_protocols"] = ">=TLSv1.1, !SSLv3"
    site.main["tls_medium_cipherlist"] = "HIGH:@SECLEVEL=2"


@case("rate-limit")
def _(site):
    del site.main["smtpd_client_auth_rate_limit"]


@case("anonymous")
def _(site):
    site.main["smtpd_sasl_security_options"] = ""
    site.conf["mech_list"] += " ANONYMOUS"
    site.plugins[PLUGINS]["libanonymous.so"] = THEIRS


@case("noplaintext")
def _(site):
    site.main["smtpd_sasl_security_options"] = "noanonymous, noplaintext"
    site.conf["mech_list"] = "PLAIN LOGIN"


@case("noplaintext")
def _(site):
    # Whoever comes without TLS gets no STARTTLS either.
    site.main.update(smtpd_tls_auth_only="no", smtpd_sasl_security_options="noplaintext",
                     smtpd_sasl_tls_security_options="noanonymous")
    site.services["submission"]["smtpd_tls_security_level"] = "may"
    site.conf["mech_list"] = "PLAIN LOGIN"


@case("noplaintext")
def _(site):
    site.main["smtpd_sasl_security_options"] = "noanonymous, nodictionary"


@case("mech-excluded")
def _(site):
    site.main["smtpd_sasl_security_options"] = "noanonymous, noplaintext"


@case("mech-excluded", "legacy")
def _(site):
    site.main["smtpd_sasl_tls_security_options"] = "noactive"
    site.conf["mech_list"] = "CRAM-MD5 SCRAM-SHA-1 LOGIN"
    site.verifiers = "default"


@case("auth-without-tls")
def _(site):
    # Offered where it should not be, but offered.
    site.main.update(smtpd_tls_auth_only="no", smtpd_sasl_security_options="noanonymous",
                     smtpd_sasl_tls_security_options="noplaintext")
    site.services["submission"]["smtpd_tls_security_level"] = "may"


@case("mech-filter")
def _(site):
    site.main["smtpd_sasl_mechanism_filter"] = "!external, cram-md5"


@case("open-relay")
def _(site):
    site.services["submission"].update({
        "smtpd_relay_restrictions":
            "permit_mynetworks, check_client_access static:permit, reject_unauth_destination",
        "smtpd_client_restrictions": ""})


@case("relay-unset")
def _(site):
    site.main["smtpd_relay_restrictions"] = "permit_mynetworks permit_sasl_authenticated"


@case("relay-unset")
def _(site):
    # What stands behind "permit" is ignored, and nobody gets as far as the client's list.
    site.services["submission"]["smtpd_relay_restrictions"] = "permit, reject_unauth_destination"
    site.main["smtpd_recipient_restrictions"] = "warn_if_reject reject, own_class"
    site.main["smtpd_restriction_classes"] = "own_class"
    site.main["own_class"] = "permit_mynetworks, own_class"


@case("mynetworks-world")
def _(site):
    site.main["mynetworks"] = "127.0.0.0/8 0.0.0.0/0"


@case("mynetworks-world")
def _(site):
    site.main["mynetworks"] = "[::]/0"


@case("mynetworks-private")
def _(site):
    site.main["mynetworks"] = "127.0.0.0/8, 172.17.0.0/16"


@case("permit-missing")
def _(site):
    site.main["smtpd_relay_restrictions"] = "permit_mynetworks, reject_unauth_destination"
    site.main["mua_client_restrictions"] = ""


@case("permit-late")
def _(site):
    site.main["smtpd_relay_restrictions"] = "reject_unauth_destination permit_sasl_authenticated"


@case("permit-late")
def _(site):
    site.services["submission"]["smtpd_client_restrictions"] = "permit_mynetworks, reject"


def sender_maps(site, maps, restrictions="reject_sender_login_mismatch"):
    site.services["submission"]["smtpd_sender_login_maps"] = maps
    site.services["submission"]["smtpd_sender_restrictions"] = restrictions


@case("sender-maps-unset")
def _(site):
    sender_maps(site, "")


@case("sender-maps-unset")
def _(site):
    sender_maps(site, "", "")
    site.main["mua_client_restrictions"] = ("reject_authenticated_sender_login_mismatch, "
                                            "permit_sasl_authenticated, reject")


@case("sender-maps-unused")
def _(site):
    sender_maps(site, "texthash:/etc/postfix/senders", "")


@case("sender-maps-unused")
def _(site):
    sender_maps(site, "ldap:senders", "permit_sasl_authenticated, reject_sender_login_mismatch")


@case("sender-map-missing")
def _(site):
    sender_maps(site, "proxy:mysql:/etc/postfix/senders.cf")


@case("sender-map-missing")
def _(site):
    sender_maps(site, "hash:/etc/postfix/senders", "reject_known_sender_login_mismatch")
    later(site, lambda s: s.file("/etc/postfix/senders", SENDERS))


SENDERS = "# address owners\nalice@example.org  alice@example.org, bob@example.org\n"


@case("sender-owner")
def _(site):
    sender_maps(site, "hash:/etc/postfix/senders")
    later(site, lambda s: (s.file("/etc/postfix/senders", SENDERS + "bob@example.org bob\n"),
                           s.file("/etc/postfix/senders.db", "")))


@case("sender-owner")
def _(site):
    sender_maps(site, "texthash:/etc/postfix/senders")
    later(site, lambda s: s.file("/etc/postfix/senders",
                                 SENDERS + "bob@example.org\n    bob@mail.example.org\n"))


@case("service-misspelt")
def _(site):
    site.arguments.append("exmi")


@case("conf-missing", "store-none")
def _(site):
    site.conf = None
    site.store_path = None


@case("conf-misnamed")
def _(site):
    site.main["smtpd_sasl_path"] = "smtp"


@case("conf-never-read", "conf-missing", "store-none")
def _(site):
    site.conf_path = "/etc/sasl2/smtpd.conf"
    site.store_path = None


@case("conf-ignored")
def _(site):
    later(site, lambda s: s.file("/usr/lib/sasl2/smtpd.conf", "pwcheck_method: saslauthd\n"))


@case("config-path-ignored")
def _(site):
    site.main["cyrus_sasl_config_path"] = "/etc/sasl2"


@case("conf-syntax")
def _(site):
    later(site, lambda s: s.file(s.conf_path, "auxprop_plugin: lmdb\nmech_list PLAIN LOGIN\n"))


@case("conf-syntax")
def _(site):
    later(site, lambda s: s.file(s.conf_path, "auxprop_plugin: lmdb\nmech_list:\n"))


@case("conf-syntax")
def _(site):
    later(site, lambda s: s.file(s.conf_path, "auxprop_plugin: lmdb\nmech_list: PLAIN\0LOGIN\n"))


@case("option-unknown")
def _(site):
    site.conf["lmdb_pth"] = "/srv/mail/users.mdb"


@case("option-unknown")
def _(site):
    site.conf["sasl_lmdb_path"] = "/srv/mail/users.mdb"


@case("option-unknown", "legacy", imap=True, postfix=False)
def _(site):
    site.imapd["lmdb_path"] = "/srv/mail/users.mdb"


@case("not-ours")
def _(site):
    sasldb(site)
    site.conf["auxprop_plugin"] = "sasldb"


@case("auxprop-none")
def _(site):
    del site.conf["auxprop_plugin"]


@case("auxprop-none", "legacy", imap=True, postfix=False)
def _(site):
    del site.imapd["sasl_auxprop_plugin"], site.imapd["sasl_pwcheck_method"]


@case("auxprop-unset")
def _(site):
    del site.conf["auxprop_plugin"]
    site.conf["lmdb_path"] = STORE


@case("auxprop-unset")
def _(site):
    # Users may be there.
    del site.conf["auxprop_plugin"]
    site.plugins[PLUGINS]["libsasldb.so"] = b"\x7fELF"


@case("auxprop-beside")
def _(site):
    sasldb(site)


@case("auxprop-unknown", "auxprop-beside")
def _(site):
    site.conf["auxprop_plugin"] = "lmdb sasldb"


@case("writable")
def _(site):
    site.conf["lmdb_writable"] = "Yes"


@case("require-tls")
def _(site):
    site.conf["lmdb_require_tls"] = "on"


@case("conf-second")
def _(site):
    site.conf["Mech_List"] = "PLAIN LOGIN"


@case("store-elsewhere")
def _(site):
    site.store_path = "/srv/mail/users.mdb"
    site.conf["lmdb_path"] = site.store_path
    later(site, lambda s: s.file(STORE, "another"))


@case("pwcheck", "saslauthd-socket")
def _(site):
    site.conf["pwcheck_method"] = "saslauthd"
    site.chroot = "-"


@case("pwcheck", "saslauthd-socket", "legacy", imap=True, postfix=False)
def _(site):
    site.imapd["sasl_pwcheck_method"] = "saslauthd"


@case("saslauthd-mechs", "pwcheck", "saslauthd-socket", "auxprop-unset")
def _(site):
    site.conf["pwcheck_method"] = "saslauthd"
    site.chroot = "n"
    del site.conf["auxprop_plugin"]


@case("saslauthd-socket")
def _(site):
    site.conf["pwcheck_method"] = "auxprop saslauthd"
    site.chroot = "n"


@case("saslauthd-chroot")
def _(site):
    site.conf["pwcheck_method"] = "auxprop saslauthd"
    later(site, lambda s: s.file("/run/saslauthd/mux", ""))


@case("saslauthd-denied")
def _(site):
    site.conf["pwcheck_method"] = "auxprop saslauthd"
    site.chroot = "n"
    later(site, lambda s: (s.file("/run/saslauthd/mux", "", 0o666),
                           os.chmod(s.path("/run/saslauthd"), 0o710)))


@case("saslauthd-realm")
def _(site):
    site.conf["pwcheck_method"] = "auxprop saslauthd"
    site.chroot = "n"
    later(site, lambda s: (s.file("/run/saslauthd/mux", "", 0o666),
                           s.process(300, "saslauthd", arguments=("-a", "pam"))))


@case("saslauthd-left")
def _(site):
    later(site, lambda s: s.file("/etc/saslauthd.conf", "ldap_password: Geheim77\n"))


@case("saslauthd-left")
def _(site):
    later(site, lambda s: s.file("/var/spool/postfix/var/run/saslauthd/cache.mmap", b"x"))


@case("sasldb-left", "no-accounts")
def _(site):
    site.users = []
    later(site, lambda s: s.file("/etc/sasldb2", b"alice\0example.org\0userPassword Geheim77"))


@case("sasldb-left")
def _(site):
    later(site, lambda s: s.file("/var/spool/postfix/etc/sasldb2",
                                 b"alice\0example.org\0userPassword Geheim77"))


BERKELEY = b"\0" * 12 + (0x61561).to_bytes(4, "little") + b"\0" * 100
GDBM = (0x13579ace).to_bytes(4, "little") + b"\0" * 100


def sasldb(site, contents=BERKELEY, needs=b"libdb-5.3.so\0", chroot="n", mode=0o644):
    """The stock plugin, asked beside ours."""
    site.chroot = chroot
    site.conf["auxprop_plugin"] = "lmdb sasldb"
    site.plugins[PLUGINS]["libsasldb.so"] = THEIRS + b"\0" + needs
    if contents is not None:
        later(site, lambda s: s.file("/etc/sasldb2", contents, mode))


@case("sasldb-missing", "auxprop-beside")
def _(site):
    sasldb(site, None)


@case("sasldb-missing", "auxprop-beside")
def _(site):
    sasldb(site)
    site.conf["sasldb_path"] = "/etc/postfix/sasldb2"


@case("sasldb-chroot", "auxprop-beside")
def _(site):
    sasldb(site, chroot="y")


@case("sasldb-denied", "auxprop-beside")
def _(site):
    sasldb(site, mode=0o600)


@case("sasldb-format", "auxprop-beside")
def _(site):
    sasldb(site, needs=b"libgdbm.so.6\0")


@case("sasldb-gdbm", "auxprop-beside")
def _(site):
    sasldb(site, GDBM, needs=b"libgdbm.so.6\0")
    later(site, lambda s: s.file("/usr/lib64/libsasl2.so.3", "2.1.27\0"))


@case("plugin-directory")
def _(site):
    site.main["import_environment"] = "SASL_PATH=/usr/lib/nowhere"


@case("plugin-missing")
def _(site):
    del site.plugins[PLUGINS]["libsasllmdb.so"]


@case("plugin-suffix", "mech-nobody", "mech-no-login")
def _(site):
    site.plugins[PLUGINS]["liblogin.so.3"] = site.plugins[PLUGINS].pop("liblogin.so")


@case("plugin-writable")
def _(site):
    later(site, lambda s: os.chmod(s.path(PLUGINS + "/libplain.so"), 0o666))


@case("plugin-noise")
def _(site):
    site.plugins[PLUGINS]["libsql.so"] = b"\x7fELF"


@case("sasl-path-not-arrived")
def _(site):
    later(site, lambda s: s.process(400, "smtpd", environ=b"MAIL_CONFIG=/etc/postfix\0TZ=\0"))


@case("sasl-path-not-arrived")
def _(site):
    # Nobody is being served.
    later(site, lambda s: s.process(
        402, "qmgr", POSTFIX, environ=b"MAIL_CONFIG=/etc/postfix\0SASL_PATH=/usr/lib/sasl2\0"))


@case("mech-twice")
def _(site):
    site.main["import_environment"] = f"SASL_PATH={PLUGINS}:{STOCK}"
    site.plugins[STOCK] = {"libplain.so": THEIRS}


@case("mech-twice", "mech-stock")
def _(site):
    site.main["import_environment"] = f"SASL_PATH={STOCK}:{PLUGINS}"
    site.plugins[STOCK] = {"libplain-old.so": THEIRS + b"\0PLAIN\0"}


@case("mech-stock")
def _(site):
    site.plugins[PLUGINS]["liblogin.so"] = THEIRS


@case("mech-unset")
def _(site):
    del site.conf["mech_list"]


@case("mech-unset", "legacy", imap=True, postfix=False)
def _(site):
    del site.imapd["sasl_mech_list"]
    site.plugins[PLUGINS].update({"libntlm.so": THEIRS, "libgssapiv2.so": THEIRS})


@case("mech-nobody")
def _(site):
    site.conf["mech_list"] += " OTP"


@case("mech-none", "mech-nobody")
def _(site):
    site.conf["mech_list"] = "KERBEROS_V4"


@case("mech-ntlm")
def _(site):
    site.conf["mech_list"] += " NTLM"
    site.plugins[PLUGINS]["libntlm.so"] = THEIRS


@case("mech-gssapi")
def _(site):
    site.conf["mech_list"] += " GSSAPI"
    site.plugins[PLUGINS]["libgssapiv2.so"] = THEIRS


@case("mech-no-login")
def _(site):
    site.conf["mech_list"] = "PLAIN SCRAM-SHA-256"


@case("mech-unbound")
def _(site):
    site.conf["mech_list"] = "PLAIN LOGIN SCRAM-SHA-256-PLUS"


@case("mech-plus", "legacy", imap=True, postfix=False)
def _(site):
    del site.imapd["sasl_lmdb_channel_binding"]


@case("mech-verifier")
def _(site):
    site.conf["mech_list"] += " CRAM-MD5"


@case("realm")
def _(site):
    site.main["smtpd_sasl_local_domain"] = ""


@case("realm-few")
def _(site):
    site.main["smtpd_sasl_local_domain"] = "mail.example.org"
    site.users.append(("carol", "mail.example.org"))


@case("realm-host-id")
def _(site):
    site.users.append(("carol", "51686ed8d2b4"))


@case("realm-mistyped")
def _(site):
    site.users = [*site.users, ("eve", "exmaple..org")]


@case("realm-mistyped", "legacy", imap=True, postfix=False)
def _(site):
    site.users = [*site.users, ("eve", "example.org."), ("-e v'e", "example.org.")]


@case("digest-realm", "legacy", imap=True, postfix=False)
def _(site):
    # Cyrus offers its servername, the passwords were set for the realm of the accounts.
    site.verifiers += ",digest-md5"
    site.imapd["sasl_mech_list"] += " DIGEST-MD5"


@case("digest-realm", "realm-few", "legacy")
def _(site):
    site.verifiers += ",digest-md5"
    site.conf["mech_list"] += " DIGEST-MD5"
    site.main["smtpd_sasl_local_domain"] = "mx.example.net"
    site.users = [*site.users, ("carol", "mx.example.net")]


@case("no-accounts")
def _(site):
    site.users = []


def import_crypt(site):
    store = toolkit.Store(site.root, STORE.lstrip("/"), KEY.lstrip("/"))
    line = b"dave:$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc." \
           b"eoxqOmSuNp2xS0ktL3nh/:19000:0:99999:7:::\n"
    result = store.tool("import", "--format", "shadow", "-u", "example.org", "-", stdin=line)
    assert result.status == 0, result


@case("mech-verifier-some", "crypt-only")
def _(site):
    site.conf["lmdb_upgrade"] = "yes"
    later(site, import_crypt)


@case("crypt-only", "mech-verifier-some")
def _(site):
    later(site, import_crypt)


@case("no-checkpass", imap=True, postfix=False)
def _(site):
    site.verifiers = "strict"


@case("legacy")
def _(site):
    site.verifiers = "default"


@case("store-missing")
def _(site):
    site.store_path = None


@case("store-misnamed")
def _(site):
    site.conf["lmdb_path"] = "/srv/mail/users.mdb"


@case("store-large")
def _(site):
    later(site, lambda s: os.truncate(s.path(STORE), 256 * 1024 * 1024 + 4096))


@case("store-bad")
def _(site):
    later(site, lambda s: s.file(STORE, "not a store"))


@case("store-bad")
def _(site):
    later(site, lambda s: os.truncate(s.path(STORE), 4096))


@case("key-missing")
def _(site):
    later(site, lambda s: os.unlink(s.path(KEY)))


@case("key-misnamed")
def _(site):
    site.conf["lmdb_keyfile"] = "/etc/sasl-lmdb/kye"


@case("key-exposed")
def _(site):
    later(site, lambda s: os.chmod(s.path(KEY), 0o644))


@case("key-wrong")
def _(site):
    later(site, lambda s: s.file(KEY, f"1 {'ab' * 16} {'A' * 43}=\n", 0o600))
    later(site, lambda s: AS_ROOT and os.chown(s.path(KEY), OWNER, SASL))


@case("key-wrong")
def _(site):
    # Its mode would be a mistake, too, but a better one would not help.
    later(site, lambda s: s.file(KEY, made_store("strict", ())[2], 0o644))


@case("key-damaged")
def _(site):
    later(site, lambda s: s.file(KEY, "Geheim77\n", 0o600))
    later(site, lambda s: AS_ROOT and os.chown(s.path(KEY), OWNER, SASL))


@case("key-beside-store")
def _(site):
    site.key_path = os.path.dirname(STORE) + "/key"
    site.conf["lmdb_keyfile"] = site.key_path


@case("store-writable")
def _(site):
    later(site, lambda s: os.chmod(s.path("/var/lib/sasl-lmdb"), 0o777))


@case("store-writable")
def _(site):
    later(site, lambda s: os.chmod(s.path("/etc"), 0o757))


@case("store-writable")
def _(site):
    later(site, lambda s: os.chmod(s.path(STORE), 0o646))


@case("store-writable")
def _(site):
    later(site, lambda s: os.chmod(s.path(STORE + "-lock"), 0o662))


@case("store-read-only")
def _(site):
    later(site, lambda s: s.file("/proc/self/mountinfo",
                                 "1 0 8:1 / / rw - ext4 /dev/a rw\n"
                                 "2 1 8:2 / /var/lib ro,relatime - ext4 /dev/b ro\n"))


@case("store-read-only", "legacy", imap=True, postfix=False)
def _(site):
    later(site, lambda s: s.process(
        500, "imapd", CYRUS, [CYRUS_GROUP, SASL], environ=f"SASL_PATH={PLUGINS}\0".encode(),
        mounts="1 0 8:1 / / ro - ext4 /dev/a rw\n"))


@case("nolock")
def _(site):
    site.conf["lmdb_nolock"] = "yes"


@case("store-replaced")
def _(site):
    later(site, lambda s: s.process(
        400, "smtpd", environ=f"SASL_PATH={PLUGINS}\0".encode(),
        maps=f"7f00-7f01 r--s 0 00:01 7 {STORE} (deleted)\n"))


@case("store-replaced")
def _(site):
    later(site, lambda s: s.smtpd(OPENED.replace("users.mdb\n", "users.mdb.old\n")))


@case("store-replaced", "legacy", imap=True, postfix=False)
def _(site):
    later(site, lambda s: s.process(
        500, "imapd", CYRUS, [CYRUS_GROUP, SASL], environ=f"SASL_PATH={PLUGINS}\0".encode(),
        maps=OPENED.replace("-lock", "-lock (deleted)")))


@case("store-unopened")
def _(site):
    later(site, lambda s: s.smtpd("", arguments=("-n", "submission", "-t", "inet", "-c")))


@case("store-unopened")
def _(site):
    site.chroot = "n"
    later(site, lambda s: (s.smtpd(""), os.chmod(s.path(KEY), 0o600)))


def rekey(site, *arguments):
    """A new key for the tree's store."""
    store = toolkit.Store(site.root, STORE.lstrip("/"), KEY.lstrip("/"))
    result = store.tool("rekey", *arguments)
    assert result.status == 0, result


@case("key-stale")
def _(site):
    later(site, lambda s: (rekey(s, "--retire-now"), s.smtpd(age=10, arguments=("-c",))))


@case("key-stale")
def _(site):
    site.chroot = "n"
    later(site, lambda s: (rekey(s, "--retire-now"), s.smtpd(age=10)))


@case("store-in-jail")
def _(site):
    later(site, lambda s: s.file("/var/spool/postfix" + STORE, "a copy"))


@case("lock-missing")
def _(site):
    later(site, lambda s: os.unlink(s.path(STORE + "-lock")))


@case("data-unreachable", "key-exposed", imap=True, postfix=False)
def _(site):
    # A key may be open to a group only where the store is.
    later(site, lambda s: os.chmod(s.path(STORE), 0o600))


@case("data-unreachable", "lock-unreachable", "legacy", imap=True, postfix=False)
def _(site):
    later(site, lambda s: os.chmod(s.path("/var/lib/sasl-lmdb"), 0o700))
    later(site, lambda s: AS_ROOT and os.chown(s.path("/var/lib/sasl-lmdb"), OWNER, 0))


@case("lock-unreachable", "legacy", imap=True, postfix=False)
def _(site):
    later(site, lambda s: os.chmod(s.path(STORE + "-lock"), 0o640))


@case("key-unreachable", "legacy", imap=True, postfix=False)
def _(site):
    later(site, lambda s: os.chmod(s.path(KEY), 0o600))


@case("data-unreachable", "lock-unreachable", "key-unreachable", "legacy", imap=True,
      postfix=False)
def _(site):
    site.groups = site.groups.replace(":cyrus", ":")


@case("groups-stale", "legacy", imap=True, postfix=False)
def _(site):
    later(site, lambda s: s.process(500, "imapd", CYRUS, [CYRUS_GROUP],
                                    environ=f"SASL_PATH={PLUGINS}\0".encode()))


@case("selinux")
def _(site):
    later(site, lambda s: s.file("/sys/fs/selinux/enforce", "1"))


@case("imap-plaintext", "legacy", imap=True, postfix=False)
def _(site):
    site.imapd["allowplaintext"] = "yes"


@case("imap-plaintext", "legacy", imap=True, postfix=False)
def _(site):
    site.imapd.update(allowplaintext="yes", tls_server_cert="disabled")


@case("imap-no-plaintext", "legacy", imap=True, postfix=False)
def _(site):
    del site.imapd["tls_server_cert"]


@case("imap-no-plaintext", "legacy", imap=True, postfix=False)
def _(site):
    del site.imapd["tls_server_key"]


@case("imap-certificate", "legacy", imap=True, postfix=False)
def _(site):
    site.imapd["tls_server_cert"] = "/etc/ssl/other.pem"


@case("imap-certificate", "legacy", imap=True, postfix=False)
def _(site):
    site.imapd["tls_server_key"] = "/etc/ssl/private/key.pem"
    later(site, lambda s: s.file("/etc/ssl/private/key.pem", "key", 0o600))
    later(site, lambda s: AS_ROOT or os.chmod(s.path("/etc/ssl/private/key.pem"), 0o060))


@case("imap-default-domain", "legacy", imap=True, postfix=False)
def _(site):
    del site.imapd["loginrealms"]
    site.imapd.update(virtdomains="userid", defaultdomain="Example.org")


CYRUS_CONF = """START {
  recover cmd="ctl_cyrusdb -r"
}
SERVICES {
  # what logs people in
  imap  cmd="imapd -U 30" listen="imap" prefork=0
  pop3  cmd="/usr/lib/cyrus/bin/pop3d" listen="pop3"
  nntp  cmd="nntpd -C /etc/other.conf" listen="nntp"
  sieve cmd="timsieved" listen="sieve"
  lmtp  cmd="lmtpd" listen="/run/lmtp"
}
"""


def imapd_syntax(lines, found="conf-syntax"):
    @case(found, "legacy", imap=True, postfix=False)
    def _(site):
        later(site, lambda s: s.file("/etc/imapd.conf", toolkit.contents(
            s.path("/etc/imapd.conf")).decode() + lines))


imapd_syntax("@include: /etc/nowhere.conf\n")
imapd_syntax("@include: /etc/imapd.conf\n")
imapd_syntax("@something: else\n")
imapd_syntax("SASL_mech_list: PLAIN\n", "conf-again")
imapd_syntax("x: \\\n y\nX: z\n", "conf-again")


@case("imap-realm", "legacy", imap=True, postfix=False)
def _(site):
    site.users.append(("erin", "other.example"))


@case("imap-require-tls", "imap-plaintext", "legacy", imap=True, postfix=False)
def _(site):
    site.imapd["allowplaintext"] = "1"
    site.imapd["sasl_lmdb_require_tls"] = "yes"


STOCK_JAILS = ("[DEFAULT]\nenabled = false\nmode = normal\n[postfix]\nmode = more\n"
               "filter = postfix[mode=%(mode)s]\n[postfix-sasl]\nfilter   = postfix[mode=auth]\n")


OUR_JAIL = toolkit.contents(os.path.join(os.path.dirname(__file__), "../../packaging/fail2ban",
                                         "jail.d/sasl-lmdb.conf"))
PYTHON_SYSTEMD = "/usr/lib/python3/dist-packages/systemd"


def fail2ban(site, local, with_filter=True, with_jail=True, log="/var/log/mail.log"):
    later(site, lambda s: s.file("/etc/fail2ban/jail.conf", STOCK_JAILS))
    later(site, lambda s: s.file("/etc/fail2ban/jail.d/x.local", local))
    if log:
        later(site, lambda s: s.file(log, ""))
    if with_filter:
        later(site, lambda s: s.file("/etc/fail2ban/filter.d/sasl-lmdb.conf", ""))
    if with_jail:
        later(site, lambda s: s.file("/etc/fail2ban/jail.d/sasl-lmdb.conf", OUR_JAIL))


@case("fail2ban-blind")
def _(site):
    fail2ban(site, "[postfix-sasl]\nenabled = true\n")


@case("fail2ban-blind")
def _(site):
    fail2ban(site, "[postfix]\nenabled = true\nmode = aggressive\n")


@case("fail2ban-off")
def _(site):
    fail2ban(site, "[postfix]\nenabled = true\n")


@case("fail2ban-twice")
def _(site):
    fail2ban(site, "[postfix-sasl]\nenabled = true\n[sasl-lmdb]\nenabled=true\n")


@case("fail2ban-filter")
def _(site):
    fail2ban(site, "[sasl-lmdb]\nenabled = true\n", with_filter=False)


@case("fail2ban-filter")
def _(site):
    fail2ban(site, "[sasl-lmdb]\nenabled = true\n", with_jail=False)


@case("fail2ban-log")
def _(site):
    fail2ban(site, "[sasl-lmdb]\nenabled = true\n", log=None)


@case("fail2ban-log")
def _(site):
    fail2ban(site, "[sasl-lmdb]\nenabled = true\n", log="/var/log/postfix.log")
    site.main["maillog_file"] = "/var/log/postfix.log"


@case("fail2ban-journal")
def _(site):
    fail2ban(site, "[sasl-lmdb]\nenabled = true\nbackend = systemd\n", log=None)


class DoctorTest(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        # The doctor becomes the store's owner, who has to get here.
        os.chmod(self.directory, 0o755)
        self.sites = 0

    def site(self, **options):
        self.sites += 1
        root = os.path.join(self.directory, str(self.sites))
        os.mkdir(root, 0o755)
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        return Site(root, **options)

    def slapd(self, groups, conf="/etc/ldap/sasl2/slapd.conf"):
        """A machine whose slapd reads the store, with the user openldap in these groups."""
        site = self.site(postfix=False)
        site.plugins = {STOCK: site.plugins[PLUGINS]}
        site.groups = f"sasl:x:{SASL}:{groups}\nopenldap:x:{CYRUS_GROUP}:\n"
        site.write()
        with open(site.path("/etc/passwd"), "a", encoding="ascii") as file:
            file.write(f"openldap:x:{CYRUS}:{CYRUS_GROUP}::/:/bin/false\n")
        site.file(conf, "pwcheck_method: auxprop\nauxprop_plugin: lmdb\n"
                        "mech_list: PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256\n")
        return site

    seen = set()  # the ids that any test has provoked

    def report(self, result):
        """What a run has printed as JSON."""
        report = json.loads(result.out)
        self.seen.update(finding["id"] for finding in report["findings"])
        return report

    def findings(self, site, *arguments, status=None):
        """The findings of a run, whose exit status has to fit them."""
        result = site.doctor("--json", *arguments)
        self.assertEqual(result.err, b"", result)
        report = self.report(result)
        bad = any(finding["severity"] != "note" for finding in report["findings"])
        self.assertEqual(report["ok"], not bad)
        self.assertEqual(result.status, 1 if bad else 0, result)
        if status is not None:
            self.assertEqual(result.status, status, result)
        for finding in report["findings"]:
            self.assertNotIn("chroot ", finding["mend"])
        self.assertEqual(report["root"], site.root)
        return report["findings"]

    def ids(self, site, *arguments):
        return {finding["id"] for finding in self.findings(site, *arguments)}


def tearDownModule():
    """Where every test has run, every sentence has been heard."""
    listed = toolkit.run([toolkit.TOOL, "doctor", "--list"]).out.decode().splitlines()
    # Nobody but root can give files away.
    silent = {line.split()[0] for line in listed} - DoctorTest.seen - (
        set() if AS_ROOT else {"store-root", "key-denied"})
    if len(sys.argv) == 1 and silent:
        raise AssertionError(f"no test provokes {sorted(silent)}")


class Sound(DoctorTest):
    def test_postfix(self):
        site = self.site()
        site.write()
        self.assertEqual(self.findings(site, status=0), [])
        self.assertEqual(self.findings(site, "postfix", status=0), [])
        result = site.doctor()
        self.assertEqual(result.out, b"looked at Postfix: /etc/postfix\nnothing is wrong\n")

    def test_postfix_with_senders(self):
        """Owners as Postfix knows them, and old TLS on a port of its own."""
        site = self.site()
        sender_maps(site, "hash:/etc/postfix/senders, regexp:/etc/postfix/more ldap:elsewhere",
                    "permit_mynetworks, reject_authenticated_sender_login_mismatch")
        site.services["465"] = {
            "smtpd_sasl_auth_enable": "yes", "smtpd_tls_wrappermode": "yes",
            "smtpd_tls_mandatory_protocols": ">=TLSv1",
            "tls_medium_cipherlist": "DEFAULT:@SECLEVEL=0"}
        site.main["tls_medium_cipherlist"] = "HIGH:@SECLEVEL=2"
        site.main["smtpd_tls_protocols"] = "!SSLv2, !SSLv3"
        site.write()
        site.file("/etc/postfix/senders", SENDERS)
        site.file("/etc/postfix/senders.db", "")
        site.file("/etc/postfix/more", "/(.+)/ $1\n")
        self.assertEqual(self.findings(site, status=0), [])

    def test_a_restriction_class_can_refuse(self):
        site = self.site()
        site.services["submission"]["smtpd_relay_restrictions"] = "permit_mynetworks, own"
        site.main.update(smtpd_restriction_classes="other, own",
                         own="permit_sasl_authenticated, defer_unauth_destination")
        site.write()
        self.assertEqual(self.findings(site, status=0), [])

    def test_a_sasldb_that_can_be_read(self):
        """It is asked beside the store, and that is all."""
        site = self.site()
        sasldb(site)
        site.write()
        self.assertEqual(self.ids(site), {"auxprop-beside"})
        site = self.site()
        sasldb(site, GDBM, needs=b"libgdbm.so.6\0", chroot="y")
        site.write()
        site.file("/var/spool/postfix/etc/sasldb2", GDBM)
        site.file("/usr/lib64/libsasl2.so.3", "2.1.28\0")
        self.assertEqual(self.ids(site), {"auxprop-beside"})

    def test_postfix_beside_fail2ban_and_processes(self):
        site = self.site()
        fail2ban(site, "[sasl-lmdb]\nenabled = true\n")
        site.write()
        site.process(400, "smtpd", environ=f"SASL_PATH={PLUGINS}\0".encode(),
                     maps=f"7f00-7f01 r--s 0 00:01 7 {STORE}\n")
        site.process(401, "smtpd", environ=b"MAIL_CONFIG=/etc/postfix-out\0")
        site.process(402, "qmgr", environ=b"MAIL_CONFIG=/etc/postfix-out\0")
        site.process(403, "pickup", environ=f"SASL_PATH={PLUGINS}\0".encode())
        self.assertEqual(self.findings(site, status=0), [])

    def test_processes_that_can_go_on(self):
        """Those that are not through with opening, or can open again, or have what there is."""
        jailed = {"arguments": ("-n", "submission", "-c")}
        for name, change, process in (
            ("has it open", lambda s: None, jailed),
            ("begins", lambda s: None, {"maps": "", "uid": 0, **jailed}),
            ("asks another store", lambda s: s.services.update(other={"smtpd_sasl_path": "other"}),
             {"maps": "", "arguments": ("-n", "other", "-c")}),
            ("may open it later", lambda s: (
                setattr(s, "groups", s.groups.replace(":cyrus", ":cyrus,postfix")),
                setattr(s, "chroot", "n")), {"maps": "", "groups": (SASL,)}),
            ("knows the old key, which is in use", lambda s: later(s, rekey), {"age": 10, **jailed}),
            ("knows the new key already", lambda s: later(s, lambda t: rekey(t, "--retire-now")),
             {"age": -10, **jailed}),
            ("a key is prepared", lambda s: later(s, lambda t: rekey(t, "--prepare")),
             {"age": 10, **jailed}),
            ("age is not known", lambda s: later(s, lambda t: rekey(t, "--retire-now")), jailed),
            ("not loaded", lambda s: None, None),
        ):
            with self.subTest(name):
                site = self.site()
                change(site)
                site.write()
                if process is None:
                    site.process(401, "smtpd", POSTFIX, environ=f"SASL_PATH={PLUGINS}\0".encode())
                else:
                    site.smtpd(**process)
                self.assertEqual(self.findings(site, status=0), [])

    def test_cyrus_imap(self):
        """IMAP's LOGIN command needs a verifier that counts as legacy: that is all there is."""
        site = self.site(postfix=False, imap=True)
        site.write()
        site.process(500, "imapd", CYRUS, [CYRUS_GROUP, SASL],
                     environ=f"SASL_PATH={PLUGINS}\0".encode())
        self.assertEqual([f["id"] for f in self.findings(site, status=0)], ["legacy"])
        self.assertEqual([f["id"] for f in self.findings(site, "imap", status=0)], ["legacy"])

    def test_realms_of_cyrus_imap(self):
        """That of the server, which is the machine where it has no name of its own, and any other
        with domains but the one that is taken off."""
        for options, users in (({}, [("alice", "mail")]),
                               ({"servername": "example.org"}, [("alice", "example.org")]),
                               ({"virtdomains": "userid"}, [("alice", "a.example"),
                                                            ("bob", "mail")]),
                               ({"virtdomains": "userid", "defaultdomain": "mail"},
                                [("alice", "a.example"), ("bob", "mail")])):
            with self.subTest(options):
                site = self.site(postfix=False, imap=True)
                for name in ("servername", "loginrealms"):
                    del site.imapd[name]
                site.imapd.update(options)
                site.users = users
                site.write()
                self.assertEqual(self.ids(site), {"legacy"})

    def test_both_and_a_third(self):
        site = self.site(imap=True)
        site.write()
        site.file("/etc/sasl2/svn.conf", "pwcheck_method: auxprop\nauxprop_plugin: lmdb\n"
                                         "mech_list: PLAIN LOGIN SCRAM-SHA-256\n")
        site.plugins = {STOCK: site.plugins[PLUGINS]}
        for name, contents in site.plugins[STOCK].items():
            site.file(f"{STOCK}/{name}", contents)
        self.assertEqual(self.ids(site), {"legacy"})
        self.assertEqual(self.ids(site, "svn"), {"legacy"})
        self.assertEqual(self.ids(site, "exim"), {"conf-missing", "legacy"})

    def test_what_service_is_meant(self):
        """One letter added, dropped, changed or swapped; a NAME.conf that is there is meant."""
        site = self.site(postfix=False)
        site.write()
        for word, meant in (("exmi", "exim"), ("postfx", "postfix"), ("smtp", "smtpd"),
                            ("slapdd", "slapd"), ("sendmail", "Sendmail"), ("svm", "svn"),
                            ("ldap", None), ("mixe", None), ("exim4u", None)):
            found, = [f for f in self.findings(site, word) if f["id"] != "legacy"]
            if meant is None:
                self.assertEqual(found["id"], "conf-missing", word)
            else:
                self.assertEqual((found["id"], found["mend"]),
                                 ("service-misspelt", f"sasl-lmdb doctor {meant}"), word)
        site.file("/etc/sasl2/exmi.conf", "pwcheck_method: auxprop\nauxprop_plugin: lmdb\n")
        self.assertNotIn("service-misspelt", self.ids(site, "exmi"))

    def test_digest_realms_that_fit(self):
        site = self.site(imap=True)
        site.verifiers += ",digest-md5"
        site.conf["mech_list"] += " DIGEST-MD5"
        site.imapd["sasl_mech_list"] += " DIGEST-MD5"
        site.imapd["servername"] = "Example.org"
        site.write()
        self.assertEqual(self.ids(site), {"legacy"})

    def test_slapd_where_debian_has_its_file(self):
        self.assertEqual(self.findings(self.slapd("openldap"), "slapd", status=0), [])

    def test_only_a_store(self):
        site = self.site(postfix=False)
        site.write()
        self.assertEqual(self.findings(site, status=0), [])

    def test_options_and_realms_that_fit(self):
        """PLAIN forbidden without TLS only, options of others and of one service, many domains."""
        site = self.site(imap=True)
        site.main.update(smtpd_sasl_security_options="noanonymous, noplaintext",
                         smtpd_sasl_tls_security_options="noanonymous", smtpd_tls_auth_only="no")
        site.services["submission"]["smtpd_tls_security_level"] = "may"
        site.conf.update(lmdb_digest_layers="none", LMDB_Path=STORE, sasldb_path="/etc/sasldb2",
                         sql_verbose="yes", log_level="2")
        site.imapd.update(a_sasl_lmdb_path=STORE, sasl_lmdb_keyfile=KEY, lmtp_over_quota="no")
        site.users += [("erin", "example.net"), ("frank", "example.com"), ("grace", "example.com")]
        site.imapd["loginrealms"] = "example.org example.net example.com"
        site.write()
        self.assertEqual(self.ids(site), {"legacy"})

    def test_upstream_postfix_reads_another_directory(self):
        site = self.site()
        site.debian = False
        site.conf_path = "/etc/sasl2/smtpd.conf"
        site.write()
        self.assertEqual(self.findings(site, status=0), [])

    def test_absolute_links_stay_below_the_root(self):
        site = self.site()
        site.write()
        os.rename(site.path("/etc/postfix"), site.path("/etc/mail"))
        os.symlink("/etc/mail", site.path("/etc/postfix"))
        os.symlink("../../../../../../etc/mail/main.cf", site.path("/etc/mail/link"))
        os.rename(site.path("/etc/mail/main.cf"), site.path("/main.cf"))
        os.symlink("../../../../../../../main.cf", site.path("/etc/mail/main.cf"))
        self.assertEqual(self.findings(site, status=0), [])


class Broken(DoctorTest):
    def test_each_sentence(self):
        for function_id, cases in CASES.items():
            for number, (breaks, options, expected) in enumerate(cases):
                with self.subTest(id=function_id, number=number):
                    site = self.site(**options)
                    breaks(site)
                    site.write()
                    found = self.findings(site)
                    self.assertEqual({f["id"] for f in found}, expected, found)
                    self.check_texts(site, found)

    def check_texts(self, site, found):
        """Sentences are whole, and no secret is among them."""
        for finding in found:
            self.assertNotRegex(finding["text"] + finding["mend"], r"%[r1-9]|\(null\)|Geheim77")
            self.assertNotIn("secret-", finding["text"])
            self.assertTrue(finding["text"])
        text = site.doctor()
        self.assertEqual(text.out.count(b"\n    "), sum(bool(f["mend"]) for f in found), text)
        self.assertNotIn(b"Geheim77", text.out)

    def test_slapd_elsewhere(self):
        """It never reads what is where others have theirs, nor files that are not for its group."""
        site = self.slapd("openldap", conf="/etc/sasl2/slapd.conf")
        found = {f["id"]: f for f in self.findings(site, "slapd")}
        self.assertEqual(set(found), {"conf-missing"})
        self.assertIn("looked for in /etc/ldap/sasl2:/usr/lib/sasl2", found["conf-missing"]["text"])
        self.assertTrue(found["conf-missing"]["mend"].endswith("> /etc/ldap/sasl2/slapd.conf"))
        site = self.slapd("")
        found = {f["id"]: f for f in self.findings(site, "slapd")}
        self.assertEqual(set(found), {"data-unreachable", "lock-unreachable", "key-unreachable"})
        self.assertIn("user openldap", found["data-unreachable"]["text"])

    def test_the_list(self):
        result = toolkit.run([toolkit.TOOL, "doctor", "--list"])
        rows = [line.split() for line in result.out.decode().splitlines()]
        self.assertEqual(len({row[0] for row in rows}), len(rows))
        self.assertLessEqual(set(CASES), {row[0] for row in rows})
        self.assertTrue(all(row[1] in ("error", "warning", "note") for row in rows))

    def test_a_damaged_record(self):
        """One, and the store is not called lost for it."""
        site = self.site()
        site.write()
        good = toolkit.contents(site.path(STORE))
        head = b"\1\0\0\0\0\0\0\1"  # version, flags, reserved, key id; also in pages that are free
        at = good.find(head)
        found = {}
        while "store-record" not in found:
            self.assertGreaterEqual(at, 0)
            bad = bytearray(good)
            bad[at + 50] ^= 4
            with open(site.path(STORE), "r+b") as file:
                file.write(bad)
            found = {f["id"]: f for f in self.findings(site)}
            at = good.find(head, at + 1)
        self.assertEqual(set(found), {"store-record"})
        self.assertIn(f"sasl-lmdb -f {STORE} -k {KEY} check", found["store-record"]["mend"])

    @unittest.skipUnless(AS_ROOT, "only root becomes the owner of a store")
    def test_a_store_kept_from_its_owner(self):
        """On the machine itself: the command that lets him in, and it does."""
        owner = pwd.getpwnam("nobody")
        directory = os.path.join(self.directory, "kept")
        os.mkdir(directory, 0o755)
        store = toolkit.Store(directory)
        for path, contents in zip((store.path, store.lock, store.key),
                                  made_store("strict", (("alice", "example.org"),))):
            with open(path, "wb") as file:
                file.write(contents)
            os.chmod(path, 0o600)
            os.chown(path, owner.pw_uid, owner.pw_gid)

        def bad():
            done = toolkit.run(store.command(
                "doctor", "--postfix", "/nonexistent", "--imapd", "/nonexistent", "--json"))
            return {f["id"]: f for f in self.report(done)["findings"]
                    if f["severity"] == "error"}

        self.assertEqual(bad(), {})
        group = grp.getgrgid(owner.pw_gid).gr_name
        closed = os.path.join(self.directory, "closed")
        os.mkdir(closed, 0o700)
        for change, wanted, words, mend in (
            (lambda: os.chmod(directory, 0o700), "store-bad", "(mode 0700", f"chmod o+x {directory}"),
            (lambda: os.chown(store.path, 0, 0), "store-bad", "owner root",
             f"chown -h nobody:{group} {store.path}"),
            (lambda: os.chown(store.lock, 0, 0), "store-bad", "owner root",
             f"chown -h nobody:{group} {store.lock}"),
            (lambda: os.chmod(store.path, 0), "store-bad", "(mode 0000", f"chmod u+rw {store.path}"),
            (lambda: os.chown(store.key, 0, 0), "key-denied", f"key file {store.key}: {store.key} "
             "stands in the way (mode 0600, owner root, group root)",
             f"chown -h nobody:{group} {store.key}"),
            (lambda: os.chmod(store.key, 0), "key-denied", "(mode 0000", f"chmod u+rw {store.key}"),
            (lambda: (os.rename(store.key, closed + "/key"), os.symlink(closed + "/key", store.key)),
             "key-denied", f"{closed} stands in the way (mode 0700", f"chmod o+x {closed}"),
        ):
            with self.subTest(mend):
                change()
                found = bad()
                self.assertEqual(set(found), {wanted})
                self.assertEqual(found[wanted]["mend"], mend)
                self.assertIn("user nobody, ", found[wanted]["text"])
                self.assertIn(words, found[wanted]["text"])
                self.assertEqual(toolkit.run(["sh", "-c", mend]).status, 0)
                self.assertEqual(bad(), {})

    def test_a_store_of_root(self):
        if not AS_ROOT:
            self.skipTest("only root can make one")
        site = self.site()
        site.write()
        for path in (STORE, STORE + "-lock", KEY):
            os.chown(site.path(path), 0, 0)
            os.chmod(site.path(path), 0o600)
        self.assertEqual(self.ids(site), {"store-root"})

    @unittest.skipUnless(AS_ROOT, "nobody but root can give files away")
    def test_a_directory_of_somebody_else(self):
        for path, mode, mend in (("/var/lib/sasl-lmdb", 0o755, "chmod go-w"),
                                 ("/etc/sasl-lmdb", 0o700, "chmod u+rwx,go-w+x"),
                                 ("/var/lib", 0o711, "chmod go-w")):
            with self.subTest(path):
                site = self.site()
                site.write()
                os.chown(site.path(path), CYRUS, 0)
                os.chmod(site.path(path), mode)
                found = self.findings(site)
                self.assertEqual([f["id"] for f in found], ["store-writable"], found)
                self.assertEqual(found[0]["mend"], f"chown -h root {path} && {mend} {path}")
                self.assertIn("owner cyrus", found[0]["text"])
                os.chown(site.path(path), 0, SASL)
                os.chmod(site.path(path), 0o770)
                self.assertEqual([f["mend"] for f in self.findings(site)], [f"chmod go-w {path}"])
        # The store's owner can do all that without them, and nobody can in a directory like /tmp.
        site = self.site()
        site.write()
        os.chown(site.path("/var/lib/sasl-lmdb"), OWNER, 0)
        os.chmod(site.path("/etc/sasl-lmdb"), 0o1777)
        self.assertEqual(self.findings(site), [])

    @unittest.skipIf(AS_ROOT, "root may look everywhere")
    def test_what_only_root_may_see(self):
        site = self.site()
        site.write()
        for closed in ("/var/lib/sasl-lmdb", "/etc/ssl"):
            os.chmod(site.path(closed), 0)
            self.addCleanup(os.chmod, site.path(closed), 0o755)
        self.assertEqual(self.ids(site), {"cannot-look"})

    @unittest.skipUnless(AS_ROOT, "only root can become somebody else")
    def test_what_only_root_may_see_as_somebody_else(self):
        site = self.site()
        site.write()
        for closed in ("/var/lib/sasl-lmdb", "/etc/ssl"):
            os.chmod(site.path(closed), 0o700)
        done = toolkit.run([toolkit.TOOL, "doctor", "--root", site.root, "--json"],
                           user=65534, group=65534, extra_groups=[])
        found = self.report(done)["findings"]
        self.assertEqual({f["id"] for f in found} - {"plugin-writable"}, {"cannot-look"}, found)
        self.assertTrue(any("/etc/ssl/chain.pem" in f["text"] for f in found), found)


class Commands(DoctorTest):
    """What is printed for a shell means what it says there."""

    def mend(self, site, wanted):
        return [f["mend"] for f in self.findings(site) if f["id"] == wanted][0]

    def test_a_lost_store_comes_back_from_a_backup(self):
        """Its command makes room and a store of the group it had; nobody's key file is touched."""
        init = f"sasl-lmdb -f {STORE} -k {KEY} init --group sasl"
        moves = f"mv -n {STORE} {STORE}.old && ", f"mv -n {STORE}-lock {STORE}.old-lock && "
        restore = f" && sasl-lmdb -f {STORE} -k {KEY} restore FILE"
        for wanted, damage, mend in (
            ("store-missing", lambda s: os.unlink(s.path(STORE)), moves[1] + init),
            ("store-missing", lambda s: (os.unlink(s.path(STORE)), os.unlink(s.path(STORE + "-lock"))),
             init),
            ("store-bad", lambda s: os.truncate(s.path(STORE), 4096),
             "".join(moves) + init + restore),
            # Whatever it is, somebody else may need it.
            ("store-bad", lambda s: s.file(STORE, "not a store"),
             f"sasl-lmdb -f {STORE} -k {KEY} check"),
        ):
            with self.subTest(mend):
                site = self.site()
                later(site, damage)
                site.write()
                found = {f["id"]: f for f in self.findings(site)}[wanted]
                self.assertEqual(found["mend"], mend)
                if wanted == "store-missing":
                    self.assertIn('"sasl-lmdb restore FILE"', found["text"])

    def test_a_store_is_made_for_the_group_of_its_reader(self):
        """Who never is root, whoever else reads it; in directories that are there then."""
        make = f"install -d -m 755 {os.path.dirname(STORE)} {os.path.dirname(KEY)} && "
        init = f"sasl-lmdb -f {STORE} -k {KEY} init --group sasl"
        for postfix in (False, True):
            site = self.site(imap=True, postfix=postfix)
            site.store_path = None
            site.write()
            self.assertEqual({f["mend"] for f in self.findings(site)
                              if f["id"] == "store-missing"}, {make + init})
        site = self.site(imap=True, postfix=False)
        del site.imapd["sasl_auxprop_plugin"]
        site.store_path = None
        site.write()
        site.mkdir(os.path.dirname(STORE))
        site.mkdir(os.path.dirname(KEY))
        self.assertEqual(self.mend(site, "store-none"), init)

    def test_what_opens_a_key_to_cyrus_imap(self):
        """By the group it has, or to that user alone; and nobody is locked out for want of TLS."""
        key = "/etc/ssl/private/key.pem"
        for mode, group, wanted in ((0o640, 47009, "usermod -aG ssl-cert cyrus && systemctl "
                                                   "restart cyrus-imapd"),
                                    (0o600, 0, f"chown -h cyrus {key}")):
            site = self.site(imap=True, postfix=False)
            site.groups += "ssl-cert:x:47009:\n"
            site.imapd["tls_server_key"] = key
            site.write()
            site.file(key, "key", mode)
            if AS_ROOT:
                os.chown(site.path(key), 0, group)
                self.assertEqual(self.mend(site, "imap-certificate"), wanted)
        make = ("install -m 600 -o cyrus /dev/null /etc/ssl/cyrus-imapd.pem && openssl req -x509 "
                "-newkey rsa:2048 -nodes -days 365 -subj /CN=mail.example.org -keyout "
                "/etc/ssl/cyrus-imapd.pem -out /etc/ssl/cyrus-imapd.pem && ")
        ours = "".join(f"printf '%s\\n' 'tls_server_{name}: /etc/ssl/cyrus-imapd.pem' >> "
                       "/etc/imapd.conf && " for name in ("cert", "key"))
        site = self.site(imap=True, postfix=False)
        site.imapd["allowplaintext"] = "yes"
        del site.imapd["tls_server_cert"], site.imapd["tls_server_key"]
        site.write()
        forbid = "sed -i '/^[[:space:]]*allowplaintext:/Ic allowplaintext: no' /etc/imapd.conf"
        self.assertEqual(self.mend(site, "imap-plaintext"), make + ours + forbid)
        site.file("/etc/ssl/cyrus-imapd.pem", "")
        self.assertEqual(self.mend(site, "imap-plaintext"), ours + forbid)

    def test_a_certificate_is_made_before_it_is_named(self):
        """Key and certificate in one file, in the order Postfix wants; and none twice."""
        path = "/etc/ssl/postfix.pem"
        name = f"postconf -c /etc/postfix -%s smtpd_tls_chain_files={path}"
        own = (name % "P").replace("smtpd", "submission/inet/smtpd")
        for wanted, change, then in (
                ("certificate-unset", lambda s: s.main.update(smtpd_tls_chain_files=""), name % "e"),
                ("certificate-missing", lambda s: s.main.update(
                    smtpd_tls_chain_files="/etc/ssl/other.pem"), name % "e"),
                ("certificate-missing", lambda s: s.services["submission"].update(
                    smtpd_tls_cert_file="/etc/ssl/other.pem"), own)):
            with self.subTest(then):
                site = self.site()
                change(site)
                site.write()
                make, _, rest = self.mend(site, wanted).partition(" && postconf ")
                self.assertEqual("postconf " + rest, then)
                self.assertIn(" -subj /CN=mail.example.org ", make)
                if AS_ROOT and shutil.which("openssl"):
                    done = toolkit.run(["sh", "-c", make.replace("/etc/", site.root + "/etc/")])
                    self.assertEqual(done.status, 0, done)
                    self.assertEqual(
                        re.findall("BEGIN ([A-Z ]+)", toolkit.contents(site.path(path)).decode()),
                        ["PRIVATE KEY", "CERTIFICATE"])
                    self.assertEqual(os.stat(site.path(path)).st_mode & 0o777, 0o600)
                    self.assertEqual(self.mend(site, wanted), then)

    def test_who_lacks_a_verifier_is_listed(self):
        """And no account is made of a word that stands for a name."""
        tools = f"{os.path.dirname(toolkit.TOOL)}:{os.environ['PATH']}"
        for verifiers, names in (("strict", ["alice", "bob"]), ("default", [])):
            site = self.site(imap=True, postfix=False)
            site.verifiers = "strict"
            site.write()
            mend = self.mend(site, "no-checkpass")
            site.verifiers = verifiers
            site.make_store()
            mend = re.sub("(?<= )/(etc|var)/", site.root + r"/\1/", mend)
            done = toolkit.run(["sh", "-c", mend], env={**os.environ, "PATH": tools})
            lines = done.out.decode().splitlines()
            self.assertEqual([json.loads(line.rstrip(","))["user"] for line in lines], names, done)

    def test_all_realms_get_in_by_one_command(self):
        """Two would make two lines, with which Cyrus IMAP does not start."""
        site = self.site(imap=True, postfix=False)
        del site.imapd["loginrealms"]
        site.users = [("alice", "a.example"), ("bob", "b.example"), ("carol", "b.example")]
        site.write()
        found = [f for f in self.findings(site) if f["id"] == "imap-realm"]
        self.assertEqual(len(found), 1)
        self.assertRegex(found[0]["text"], 'denies the 3 accounts of realm "[ab].example [ab]')
        self.assertRegex(found[0]["mend"], r"^printf '%s\\n' 'loginrealms: (a.example b.example|"
                         r"b.example a.example)' >> /etc/imapd.conf$")

    def test_a_store_elsewhere_is_not_made_anew(self):
        """Not where accounts wait at the place the tools know; an empty store is no reason."""
        for users, wanted in (([("alice", "example.org")], "store-misnamed"),
                              ([], "store-missing")):
            site = self.site()
            site.users = users
            site.conf.update(lmdb_path="/srv/users.mdb", lmdb_keyfile="/srv/key")
            site.write()
            found = {f["id"]: f for f in self.findings(site)}
            self.assertEqual(set(found), {wanted})
            change = ("sed -i '/^[[:space:]]*lmdb_{0}:/Ic lmdb_{0}: {1}' "
                      "/etc/postfix/sasl/smtpd.conf").format
            self.assertEqual(found[wanted]["mend"],
                             f"{change('path', STORE)} && {change('keyfile', KEY)}" if users else
                             "install -d -m 755 /srv && sasl-lmdb -f /srv/users.mdb -k /srv/key init")

    def test_a_key_that_comes_back_reaches_every_process(self):
        """Nobody can tell by looking at one whether it had read the wrong key."""
        site = self.site()
        later(site, lambda s: s.file(KEY, made_store("strict", ())[2], 0o600))
        later(site, lambda s: AS_ROOT and os.chown(s.path(KEY), OWNER, SASL))
        site.write()
        self.assertRegex(self.mend(site, "key-wrong"), f"^install .* {KEY} && "
                         "postfix -c /etc/postfix reload$")

    def test_a_lock_file_comes_back(self):
        """By a verb that writes, and has nothing to write."""
        store = self.new_store()
        os.unlink(store.lock)
        done = toolkit.run(store.command("doctor", "--postfix", "/none", "--imapd", "/none",
                                         "--json"))
        mend = {f["id"]: f["mend"] for f in self.report(done)["findings"]}["lock-missing"]
        path = f"{os.path.dirname(toolkit.TOOL)}:{os.environ['PATH']}"
        done = toolkit.run(["sh", "-c", mend], env={**os.environ, "PATH": path})
        self.assertEqual((done.status, os.path.exists(store.lock)), (0, True), done)

    def test_users_and_groups_have_names(self):
        site = self.site()
        site.groups = site.groups.replace("sasl:", "sasl-users:")
        site.write()
        os.chmod(site.path(KEY), 0o644)
        os.chmod(site.path(PLUGINS + "/libplain.so"), 0o666)
        site.file("/etc/passwd", f"store:x:{OWNER}:0::/:\nroot:x:0:0::/:\n")
        found = {f["id"]: f for f in self.findings(site)}
        self.assertIn("(mode 0644, owner store, group sasl-users)", found["key-exposed"]["text"])
        self.assertIn(f"chgrp sasl-users {KEY} && chmod 0640 ", found["key-exposed"]["mend"])
        self.assertIn(f"owner {'root' if AS_ROOT else 'store'})", found["plugin-writable"]["text"])

    def test_words_are_quoted(self):
        site = self.site()
        site.conf["mech_list"] = "PLAIN LOGIN $(touch${IFS}x)"
        site.main["import_environment"] = "SASL_PATH=/p'l;ugins"
        site.write()
        mend = self.mend(site, "plugin-directory")
        self.assertEqual(mend, "cmake --install build/release && install -d -m 755 "
                               f"'/p'\\''l;ugins' && ln -s {INSTALLED}/*.so '/p'\\''l;ugins'/")

    def test_plugins_come_from_where_they_were_installed(self):
        """By the package or by cmake --install; linked to where a server looks, or put back."""
        package = "/usr/share/doc/sasl-lmdb/copyright"
        for packaged, origin, again in (
                (True, f"/usr/lib/{TRIPLET}/sasl2", "apt-get install --reinstall sasl-lmdb"),
                (False, INSTALLED, "cmake --install build/release")):
            for there in (True, False):
                with self.subTest(packaged=packaged, there=there):
                    site = self.site()
                    del site.plugins[PLUGINS]["liblogin.so"]
                    site.write()
                    if packaged:
                        site.file(package, "")
                    if there:
                        site.file(f"{origin}/libsasllmdb.so", OURS)
                    link = f"install -d -m 755 {PLUGINS} && ln -s {origin}/liblogin.so {PLUGINS}/"
                    self.assertEqual(self.mend(site, "mech-nobody"),
                                     link if there else f"{again} && {link}")
            with self.subTest("where they belong", packaged=packaged):
                site = self.site()
                site.main["import_environment"] = f"SASL_PATH={origin}"
                site.plugins = {origin: site.plugins[PLUGINS]}
                del site.plugins[origin]["liblogin.so"]
                site.write()
                if packaged:
                    site.file(package, "")
                self.assertEqual(self.mend(site, "mech-nobody"), again)

    def test_auth_is_not_taken_from_the_only_port_that_has_it(self):
        site = self.site()
        del site.services["submission"]
        site.services["smtp"]["smtpd_sasl_auth_enable"] = "yes"
        site.write()
        self.assertEqual(self.ids(site), set())
        site.services["smtp"]["smtpd_sasl_auth_enable"] = "no"
        site.write()
        self.assertEqual(
            self.mend(site, "auth-off"),
            "postconf -c /etc/postfix -M 'submission/inet=submission inet n - y - - smtpd' && "
            "postconf -c /etc/postfix -P submission/inet/smtpd_tls_security_level=encrypt "
            "submission/inet/smtpd_sasl_auth_enable=yes")
        site.services["submission"] = {**SUBMISSION, "smtpd_sasl_auth_enable": "no"}
        site.write()
        self.assertEqual(self.mend(site, "auth-off"), "")
        self.assertEqual(self.mend(site, "auth-off-submission"), "postconf -c /etc/postfix -P "
                         "submission/inet/smtpd_sasl_auth_enable=yes")

    def test_commands_for_a_tree_are_none_for_the_machine(self):
        """What is in a tree may be anybody's: root is given no line that runs it, as by chroot."""
        site = self.site()
        site.conf["mech_list"] += " CRAM-MD5"
        site.write()
        mend = self.mend(site, "mech-verifier")
        said = site.doctor().out.decode()
        self.assertIn(f"\n    inside: {mend}\n", said)
        self.assertTrue(said.splitlines()[-1].startswith(
            f'"inside": in a shell of the container that {site.root} is of; not on this machine'))
        self.assertNotIn("chroot /", said)

    def test_processes_that_anybody_may_have_started(self):
        """They are neither believed, nor are there ever so many that others are not seen."""
        lie = {"environ": b"SASL_PATH=/home/x/plugins\0",
               "maps": f"7f00-7f01 r--s 0 00:01 7 {STORE} (deleted)\n"}
        site = self.site()
        site.process(1, "smtpd", OTHER, program="/usr/libexec/su", real_uid=0, **lie)
        site.file("/usr/libexec/su", "", 0o4755)
        site.process(2, "smtpd", 0, program="/usr/libexec/su", **lie)
        site.process(3, "smtpd", 0, real_uid=OTHER, **lie)
        site.file("/home/x/smtpd", "", 0o757)
        site.process(4, "smtpd", 0, program="/home/x/smtpd", **lie)
        site.process(5, "smtpd", CYRUS, **lie)
        site.process(6, "smtpd", 0, program="/usr/libexec/none", **lie)
        for pid in range(100, 200):
            site.process(pid, "smtpd", OTHER, **lie)
        for pid in range(10000, 19000):
            site.mkdir(f"/proc/{pid}")
        site.process(20000, "smtpd", POSTFIX, environ=b"SASL_PATH=/true\0")
        site.write()
        found = self.findings(site)
        self.assertEqual([f["id"] for f in found], ["sasl-path-not-arrived"])
        self.assertIn("process 20000", found[0]["text"])
        if AS_ROOT:
            site.process(20001, "smtpd", 0, program="/usr/libexec/his", **lie)
            site.file("/usr/libexec/his", "", 0o755)
            os.chown(site.path("/usr/libexec/his"), OTHER, 0)
            self.assertEqual(self.findings(site), found)

    def test_nothing_is_changed_where_others_can_put_something_else(self):
        """A command follows a link that was a file when it was printed."""
        for directory in (PLUGINS, os.path.dirname(PLUGINS)):
            site = self.site()
            site.write()
            os.chmod(site.path(PLUGINS + "/libplain.so"), 0o666)
            mend = self.mend(site, "plugin-writable")
            self.assertEqual(mend, f"chown -h root: {PLUGINS}/libplain.so && "
                                   f"chmod go-w {PLUGINS}/libplain.so")
            os.chmod(site.path(directory), 0o777)
            found = [f for f in self.findings(site) if "libplain.so can be" in f["text"]]
            self.assertEqual(found[0]["mend"], "")
            self.assertIn("(no command: others than root can put something else there",
                          found[0]["text"])
        site = self.site()
        site.write()
        os.chmod(site.path(KEY), 0o644)
        self.assertIn("chmod 06", self.mend(site, "key-exposed"))
        os.chmod(site.path(os.path.dirname(KEY)), 0o777)
        self.assertEqual(self.mend(site, "key-exposed"), "")

    def test_the_store_comes_first(self):
        site = self.site()
        site.store_path = site.conf = None
        site.plugins = {}
        site.write()
        warnings = [f for f in self.findings(site) if f["severity"] == "warning"]
        self.assertEqual(warnings[0]["id"], "store-none")
        self.assertEqual(warnings[0]["mend"], "install -d -m 755 /var/lib/sasl-lmdb /etc/sasl-lmdb "
                         f"&& sasl-lmdb -f {STORE} -k {KEY} init")

    def test_no_plugin_of_others_is_overwritten_or_removed(self):
        """SASL_PATH changes, never a file that may be a package's, nor what our link points to."""
        before = "MAIL_CONFIG TZ LANG=C"
        wanted = f"postconf -c /etc/postfix -e import_environment='{before} SASL_PATH=%s'"
        stock = {"libplain.so": THEIRS, "liblogin.so": THEIRS, "libscram.so": THEIRS}
        for path, ids, directory in (
                ("", {"plugin-missing", "mech-stock"}, INSTALLED),
                (f"SASL_PATH={STOCK}", {"plugin-missing", "mech-stock"}, INSTALLED),
                (f"SASL_PATH={STOCK}:{PLUGINS}", {"mech-twice", "mech-stock"}, PLUGINS),
                (f"SASL_PATH={PLUGINS}:{STOCK}", {"mech-twice"}, PLUGINS)):
            with self.subTest(path):
                site = self.site()
                site.plugins[STOCK] = dict(stock)
                site.main["import_environment"] = f"{before} {path}"
                site.write()
                site.file(f"{INSTALLED}/libsasllmdb.so", OURS)
                found = self.findings(site)
                # Each once, for all mechanisms.
                self.assertEqual(sorted(f["id"] for f in found), sorted(ids))
                self.assertEqual({f["mend"] for f in found}, {wanted % directory})
                for finding in found:
                    if finding["id"] != "plugin-missing":
                        self.assertIn("PLAIN, LOGIN, SCRAM-SHA-1, SCRAM-SHA-256", finding["text"])

        with self.subTest("others are wanted as well"):
            site.conf["mech_list"] += " OTP"
            site.plugins[STOCK]["libotp.so"] = THEIRS
            site.write()
            self.assertEqual(self.mend(site, "mech-twice"), "")

        with self.subTest("Cyrus IMAP"):
            site = self.site(imap=True, postfix=False)
            site.plugins[STOCK] = dict(stock)
            site.defaults = f"SASL_PATH={STOCK}\n"
            site.write()
            site.file(f"{INSTALLED}/libsasllmdb.so", OURS)
            line = f"printf '%s\\n' SASL_PATH={INSTALLED} >> /etc/default/cyrus-imapd"
            self.assertEqual(self.mend(site, "plugin-missing"), "printf '%s\\n' 'export SASL_PATH' "
                             ">> /etc/default/cyrus-imapd && " + line)
            site.mkdir("/run/systemd/system")
            self.assertEqual(self.mend(site, "plugin-missing"), line)
            self.assertEqual(self.mend(site, "mech-stock"), line)

    def test_a_new_path_comes_with_a_restart(self):
        """Nothing that runs has it before; below a root nothing runs."""
        site = self.site()
        site.main["import_environment"] = f"TZ SASL_PATH={site.root}{STOCK}:{site.root}{PLUGINS}"
        if not os.path.exists("/etc/debian_version"):
            site.main["cyrus_sasl_config_path"] = site.root + "/etc/postfix/sasl"
        site.plugins[STOCK] = {"libplain.so": THEIRS}
        site.write()
        done = toolkit.run([toolkit.TOOL, "doctor", "--json", "--imapd", "/none", "--postfix",
                            site.root + "/etc/postfix"])
        mend = {f["id"]: f["mend"] for f in self.report(done)["findings"]}["mech-twice"]
        self.assertEqual(mend, f"postconf -c {site.root}/etc/postfix -e import_environment='TZ "
                         f"SASL_PATH={site.root}{PLUGINS}' && systemctl restart postfix")

    def test_a_path_that_a_script_keeps_to_itself(self):
        """It sources the file, and a restart alone changes nothing; systemd reads the file."""
        export = "printf '%s\\n' 'export SASL_PATH' >> /etc/default/cyrus-imapd && "
        line = f"SASL_PATH={PLUGINS}\n"
        for defaults, systemd, wanted in (
                (line, False, export), (line, True, ""), ("export " + line, False, ""),
                (line + " export\tLANG SASL_PATH\n", False, ""),
                (line + "# export SASL_PATH\nexport SASL_PATHS X=SASL_PATH\n", False, export)):
            with self.subTest(defaults, systemd=systemd):
                site = self.site(imap=True, postfix=False)
                site.defaults = defaults
                site.write()
                site.process(500, "imapd", CYRUS, [CYRUS_GROUP, SASL], environ=b"LANG=C\0")
                if systemd:
                    site.mkdir("/run/systemd/system")
                self.assertEqual(self.mend(site, "sasl-path-not-arrived"),
                                 wanted + "systemctl restart cyrus-imapd")

    def test_the_filter_comes_from_where_it_was_installed(self):
        for packaged in (True, False):
            site = self.site()
            fail2ban(site, "[sasl-lmdb]\nenabled = true\n", with_filter=False)
            site.write()
            if packaged:
                site.file("/usr/share/doc/sasl-lmdb/copyright", "")
            mend = self.mend(site, "fail2ban-filter")
            self.assertIn("apt-get install --reinstall" if packaged else
                          "cmake --install build/release && install -m 644 ", mend)

    def test_our_jail_is_enabled_with_all_it_needs(self):
        """Its files, a log, the module for the journal; no section twice in one file."""
        own = "/etc/fail2ban/jail.d/sasl-lmdb.local"
        for name, options, paths, expected in (
                ("all is there", {}, [], f"printf '%s\\n' '[sasl-lmdb]' 'enabled = true' > {own}"),
                ("journal", {"log": None}, ["/run/log/journal/x", PYTHON_SYSTEMD],
                 f"printf '%s\\n' '[sasl-lmdb]' 'backend = systemd' 'enabled = true' > {own}"),
                ("module", {"log": None}, ["/run/log/journal/x"],
                 "apt-get install python3-systemd && printf '%s\\n' '[sasl-lmdb]' "
                 f"'backend = systemd' 'enabled = true' > {own}"),
                ("nothing to read", {"log": None}, [], ""),
                ("a file that may say more", {}, [own], "")):
            with self.subTest(name):
                site = self.site()
                fail2ban(site, "", **options)
                site.write()
                for path in paths:
                    site.file(path, "")
                self.assertEqual(self.mend(site, "fail2ban-off"), expected)
        site = self.site()
        fail2ban(site, "", with_filter=False, with_jail=False)
        site.write()
        self.assertRegex(self.mend(site, "fail2ban-off"),
                         "^cmake --install build/release && install -m 644 [^ ]*/fail2ban/filter.d/"
                         "sasl-lmdb.conf /etc/fail2ban/filter.d/sasl-lmdb.conf && install -m 644 "
                         "[^ ]*/fail2ban/jail.d/sasl-lmdb.conf /etc/fail2ban/jail.d/sasl-lmdb.conf "
                         "&& printf ")

    def test_our_jail_in_the_place_of_another(self):
        site = self.site()
        fail2ban(site, "[postfix-sasl]\nenabled = true\n")
        site.write()
        mend = self.mend(site, "fail2ban-blind")
        done = toolkit.run(["sh", "-c", mend.replace("/etc/", site.root + "/etc/")])
        self.assertEqual(done.status, 0, (mend, done))
        # sasl-lmdb.local is read before x.local here.
        os.unlink(site.path("/etc/fail2ban/jail.d/x.local"))
        self.assertEqual(self.findings(site, status=0), [])

    def test_a_plugin_of_others_comes_in_its_package(self):
        for system, command in (("debian", "apt-get install libsasl2-modules-sql"),
                                ("fedora", "dnf install cyrus-sasl-sql"),
                                ("alpine", "apk add cyrus-sasl-sql")):
            site = self.site()
            site.conf["auxprop_plugin"] = "lmdb sql"
            site.write()
            site.file("/etc/os-release", f"ID={system}\n")
            self.assertEqual(self.mend(site, "auxprop-unknown"), command)

    def test_a_mechanism_that_nobody_offers(self):
        """It goes, as all do that nobody can use; one of ours comes. Who has it is said."""
        site = self.site()
        site.conf["mech_list"] = "GSSAPI PLAIN LOGIN SCRAMSHA1 SCRAM-SHA-1"
        del site.plugins[PLUGINS]["libscram.so"]
        site.write()
        found = [f for f in self.findings(site) if f["id"] == "mech-nobody"]
        drop = ("sed -i '/^[[:space:]]*mech_list:/Ic mech_list: PLAIN LOGIN SCRAM-SHA-1' "
                "/etc/postfix/sasl/smtpd.conf")
        self.assertEqual([f["mend"] for f in found[:2]], [drop, drop])
        self.assertIn("libscram.so", found[2]["mend"])
        self.assertTrue(found[0]["text"].endswith(
            '; "apt-get install libsasl2-modules-gssapi-mit" would bring one'), found)
        self.assertTrue(found[1]["text"].endswith(f"({PLUGINS})"), found)

    def test_what_is_mistyped_is_corrected(self):
        """Nothing is made for a name that is none, nor anything taken away for it."""
        def plugins(site):
            site.plugins = {INSTALLED: site.plugins[PLUGINS]}
            site.main["import_environment"] = f"TZ SASL_PATH={INSTALLED[:-1]}"

        def log(site):
            fail2ban(site, "[sasl-lmdb]\nenabled = true\n", log="/var/log/postfix.log")
            site.main["maillog_file"] = "/var/log/postfix.log"

        for wanted, change, command in (
            ("plugin-directory", plugins,
             f"postconf -c /etc/postfix -e import_environment='TZ SASL_PATH={INSTALLED}'"),
            ("mech-nobody", lambda s: s.conf.update(mech_list="PLAIN LOGIN SCRAM-SHA256"),
             "Ic mech_list: PLAIN LOGIN SCRAM-SHA-256' /etc/postfix/sasl/smtpd.conf"),
            ("mech-nobody", lambda s: s.conf.update(mech_list="PLAIN LOGIN SCRAM_SHA256 scram-sha-1"),
             "Ic mech_list: PLAIN LOGIN SCRAM-SHA-256 scram-sha-1' "),
            ("key-misnamed", lambda s: s.conf.update(lmdb_keyfile="/etc/sasl-lmdb/kye"),
             f"Ic lmdb_keyfile: {KEY}' /etc/postfix/sasl/smtpd.conf"),
            ("realm-mistyped", lambda s: s.users.append(("e v", "exmaple..org")),
             f"saslpasswd-lmdb -f {STORE} -k {KEY} -d 'e v@exmaple..org'"),
            ("conf-misnamed", lambda s: s.main.update(smtpd_sasl_path="smtp"),
             "postconf -c /etc/postfix -e smtpd_sasl_path=smtpd"),
            ("fail2ban-log", log, "'[sasl-lmdb]' 'logpath = /var/log/postfix.log' 'backend = auto'"),
        ):
            with self.subTest(command):
                site = self.site()
                change(site)
                site.write()
                found = self.findings(site)
                self.assertEqual([f["id"] for f in found], [wanted], found)
                self.assertIn(command, found[0]["mend"])

    def test_quotes_inside_quotes(self):
        site = self.site(imap=True, postfix=False)
        site.imapd["loginrealms"] = "a'; touch x; echo 'b"
        site.write()
        mend = self.mend(site, "imap-realm").replace("/etc/", site.root + "/etc/")
        toolkit.run(["sh", "-c", mend], cwd=self.directory)
        self.assertIn(b"\nloginrealms: a'; touch x; echo 'b example.org\n",
                      toolkit.contents(site.path("/etc/imapd.conf")))
        self.assertFalse(os.path.exists(os.path.join(self.directory, "x")))

    def arguments(self, command):
        """What the programs of a command get: each prints its arguments here, and does nothing."""
        where = os.path.join(self.directory, "programs")
        if not os.path.isdir(where):
            os.mkdir(where)
            for name in ("apt-get", "chgrp", "chmod", "chown", "grep", "install", "ln", "ls",
                         "postconf", "postmap", "rm", "openssl", "sasl-lmdb", "sed", "shred", "systemctl",
                         "usermod", "cmake", "saslpasswd-lmdb", "adduser", "mv"):
                path = os.path.join(where, name)
                with open(path, "w", encoding="ascii") as file:
                    file.write("#!/bin/sh\nprintf '<%s>\\n' \"$@\"\n")
                os.chmod(path, 0o755)
        command = command.replace(" > ", " ").replace(" >> ", " ")
        checked = toolkit.run(["/bin/sh", "-n", "-c", command])
        self.assertEqual(checked.status, 0, (command, checked))
        self.elsewhere = os.path.join(self.directory, "elsewhere")
        os.makedirs(self.elsewhere, exist_ok=True)
        done = toolkit.run(["/bin/sh", "-c", command], cwd=self.elsewhere, env={"PATH": where})
        self.assertEqual((done.status, done.err), (0, b""), (command, done))
        return done.out.decode()

    def hostile(self, word):
        """A Postfix and a Cyrus IMAP whose files have this word wherever they take one."""
        site = self.site(imap=True)
        site.groups = f"postfix:x:105:\n{word}:x:{SASL}:\nmail:x:{CYRUS_GROUP}:\n"
        to_postfix = word.replace("$", "$$")
        site.main.update({"smtpd_sasl_local_domain": to_postfix,
                          "smtpd_tls_chain_files": f"/{to_postfix}",
                          "smtpd_sender_restrictions": "reject_sender_login_mismatch"})
        sender_maps(site, "hash:/etc/postfix/senders")
        site.services = {f"{word}:submission": {
            **site.services["submission"], "smtpd_client_auth_rate_limit": "0"}}
        site.conf.update(auxprop_plugin=f"lmdb {word}", mech_list=f"PLAIN CRAM-MD5 SCRAM-SHA-1 {word}")
        site.imapd.update({"loginrealms": word, "sasl_mech_list": f"PLAIN LOGIN CRAM-MD5 {word}",
                           "sasl_lmdb_path": f"/var/{word}/users.mdb",
                           "sasl_lmdb_keyfile": f"/etc/{word}/key"})
        fail2ban(site, f"[{word}]\nenabled = true\nfilter = postfix[mode=auth]\n")
        site.store_path, site.key_path = f"/var/{word}/users.mdb", f"/etc/{word}/key"
        site.write()
        site.file("/etc/cyrus.conf", f'SERVICES {{\n  {word} cmd="imapd" listen="imap"\n}}\n')
        site.file("/etc/postfix/senders", "alice@example.org alice\n")
        site.file("/etc/postfix/senders.db", "")
        return site

    def test_hostile_names(self):
        """A word out of the tree stays what it was in each command: part of one argument."""
        for inside in ("$(touch${IFS}y)", "`touch`", "';touch'", '"', ";", "&", "|", "\\n", "%s",
                       "*", "^$["):
            with self.subTest(inside):
                word = f"begin{inside}end"
                # As it has to stand in a script of sed.
                for_sed = [word.replace("\\", "\\\\"), re.sub(r"([\\/.*\[\]^$])", r"\\\1", word),
                           re.sub(r"([\\/&])", r"\\\1", word)]
                found = {f["id"]: f["mend"] for f in self.findings(self.hostile(word))}
                wanted = {"sender-owner", "rate-limit", "mech-verifier", "fail2ban-blind"}
                self.assertLessEqual(wanted | ({"data-unreachable"} if AS_ROOT else set()),
                                     set(found))
                for finding, mend in found.items():
                    printed = self.arguments(mend)
                    if "begin" in mend:
                        self.assertTrue(any(w in printed for w in (word, *for_sed)),
                                        (finding, mend, printed))
                self.assertEqual(os.listdir(self.elsewhere), [])

    def test_no_command_for_what_cannot_be_quoted(self):
        for word in ("x\x1b[2Jy", "x\x7fy", "-R"):
            with self.subTest(word):
                site = self.site(imap=True, postfix=False)
                site.groups = f"{word}:x:{SASL}:\nmail:x:{CYRUS_GROUP}:\n"
                site.write()
                found = {f["id"]: f for f in self.findings(site)}
                if AS_ROOT:
                    self.assertEqual(found["data-unreachable"]["mend"], "")
                    self.assertIn("(no command: ", found["data-unreachable"]["text"])

    def test_a_realm_does_not_end_a_script_of_sed(self):
        site = self.site()
        site.main["smtpd_sasl_local_domain"] = "a/b&c\\d;e"
        sender_maps(site, "texthash:/etc/postfix/senders")
        later(site, lambda s: s.file("/etc/postfix/senders", "bob@example.org bob\n"))
        site.write()
        mend = self.mend(site, "sender-owner").replace(" /etc/", f" {site.root}/etc/")
        self.assertEqual(toolkit.run(["sh", "-c", mend]).status, 0, mend)
        self.assertEqual(toolkit.contents(site.path("/etc/postfix/senders")),
                         b"bob@example.org bob@a/b&c\\d;e\n")

    def test_a_service_with_a_value_of_its_own(self):
        """main.cf does not help where master.cf overrules it."""
        site = self.site()
        site.services["submission"]["smtpd_client_auth_rate_limit"] = "0"
        site.services["submission"]["smtpd_tls_security_level"] = "none"
        site.write()
        self.assertEqual(self.mend(site, "rate-limit"), "postconf -c /etc/postfix -P "
                         "submission/inet/smtpd_client_auth_rate_limit=20")
        self.assertEqual(self.mend(site, "tls-missing"), "postconf -c /etc/postfix -P "
                         "submission/inet/smtpd_tls_security_level=may")
        site = self.site()
        site.services["submission"] = {"smtpd_sasl_auth_enable": "yes"}
        site.main["smtpd_tls_security_level"] = ""
        site.write()
        self.assertEqual(self.mend(site, "tls-missing"), "postconf -c /etc/postfix -e "
                         "smtpd_tls_security_level=may")

    def test_options_of_a_service(self):
        """Each service is judged by its own options, and mended under its own name for them."""
        site = self.site(imap=True, postfix=False)
        site.imapd.update({"pop3_sasl_mech_list": "PLAIN LOGIN CRAM-MD5", "POP3_allowplaintext":
                           "yes", "nntp_allowplaintext": "yes", "sieve_extensions": "fileinto"})
        site.write()
        site.file("/etc/cyrus.conf", CYRUS_CONF)
        found = {f["id"]: f for f in self.findings(site)}
        self.assertEqual(set(found), {"legacy", "mech-verifier", "imap-plaintext"})
        self.assertTrue(found["imap-plaintext"]["text"].startswith("Cyrus IMAP (pop3) "), found)
        for wanted in ("mech-verifier", "imap-plaintext"):
            mend = re.sub("(?<= )/etc/", site.root + "/etc/", found[wanted]["mend"])
            self.assertEqual(toolkit.run(["sh", "-c", mend]).status, 0, mend)
        self.assertEqual(self.ids(site), {"legacy"})
        self.assertIn(b"pop3_sasl_mech_list: PLAIN LOGIN\n",
                      toolkit.contents(site.path("/etc/imapd.conf")))

    def test_an_included_file(self):
        """What it says counts, and is mended in it."""
        site = self.site(imap=True, postfix=False)
        site.imapd["@include"] = "/etc/imapd-sasl.conf"
        del site.imapd["sasl_mech_list"]
        site.write()
        site.file("/etc/imapd-sasl.conf", "sasl_mech_list: PLAIN LOGIN \\\n  CRAM-MD5\n")
        mend = self.mend(site, "mech-verifier")
        self.assertEqual(mend, "sed -i '/^[[:space:]]*sasl_mech_list:/Ic sasl_mech_list: PLAIN "
                               "LOGIN' /etc/imapd-sasl.conf")

    def test_security_options_that_leave_nothing(self):
        """Without TLS it is the AUTH there that goes, under TLS the option."""
        site = self.site()
        site.main.update(smtpd_tls_auth_only="no", smtpd_sasl_security_options="noplaintext")
        site.services["submission"]["smtpd_tls_security_level"] = "may"
        site.conf["mech_list"] = "PLAIN LOGIN"
        site.write()
        self.assertEqual(
            [f["mend"] for f in self.findings(site) if f["id"] == "noplaintext"],
            ["postconf -c /etc/postfix -e smtpd_tls_auth_only=yes",
             "postconf -c /etc/postfix -e smtpd_sasl_tls_security_options=noanonymous"])

    def test_a_misspelt_option(self):
        for name, nearest in (("lmdb_pth", "lmdb_path"), ("LMDB_key_file", "lmdb_keyfile"),
                              ("lmbd_upgrade", "lmdb_upgrade"), ("lmdb_tls", "lmdb_path")):
            with self.subTest(name):
                site = self.site()
                site.conf[name] = "x"
                site.write()
                found = {f["id"]: f for f in self.findings(site)}["option-unknown"]
                self.assertIn(f'smtpd.conf line 4 has the option "{name}"', found["text"])
                self.assertIn(f'"{nearest}"', found["text"])
                done = toolkit.run(["sh", "-c", found["mend"].replace("/etc/", site.root + "/etc/")])
                self.assertEqual(done.status, 0, found)
                self.assertIn(f"\n{nearest}: x\n".encode(),
                              toolkit.contents(site.path("/etc/postfix/sasl/smtpd.conf")))
        site = self.site(imap=True, postfix=False)
        site.imapd["pop3_sasl_lmdb_nlock"] = "no"
        site.write()
        site.file("/etc/cyrus.conf", CYRUS_CONF)
        self.assertEqual(self.mend(site, "option-unknown"),
                         f"sed -i {len(site.imapd)}s/pop3_sasl_lmdb_nlock:/pop3_sasl_lmdb_nolock:/ "
                         "/etc/imapd.conf")

    def test_accounts_that_have_a_hash_only(self):
        """They are upgraded; nobody has to have a new password."""
        upgrade = f"sasl-lmdb -f {STORE} -k {KEY} set --upgrade"
        for conf, wanted, mend in (
                ({}, '"lmdb_upgrade: yes" lets a login', upgrade + " && printf '%s\\n' "
                 "'lmdb_upgrade: yes' >> /etc/postfix/sasl/smtpd.conf"),
                ({"lmdb_upgrade": "yes"}, "(lmdb_upgrade is on)", upgrade)):
            site = self.site()
            site.conf.update(conf)
            later(site, import_crypt)
            site.write()
            found = {f["id"]: f for f in self.findings(site)}["crypt-only"]
            self.assertIn('"mech_list: PLAIN LOGIN"', found["text"])
            self.assertIn(wanted, found["text"])
            self.assertEqual(found["mend"], mend)

    def test_legacy_verifiers_that_are_in_use(self):
        """No command that ends logins: the words say whose."""
        for mechanisms, imap, words in (("PLAIN LOGIN", False, ()),
                                        ("PLAIN LOGIN CRAM-MD5", False, ("CRAM-MD5",)),
                                        ("LOGIN CRAM-MD5 DIGEST-MD5", False,
                                         ("CRAM-MD5 and DIGEST-MD5", "no-verifier")),
                                        ("PLAIN LOGIN", True, ("LOGIN command",)),
                                        ("LOGIN DIGEST-MD5", True,
                                         ("DIGEST-MD5", "no-verifier", "LOGIN command"))):
            with self.subTest(mechanisms, imap=imap):
                site = self.site(imap=imap, postfix=not imap)
                site.verifiers = "default"
                site.conf["mech_list"] = site.imapd["sasl_mech_list"] = mechanisms
                site.write()
                found = {f["id"]: f for f in self.findings(site)}["legacy"]
                self.assertEqual(found["mend"], "" if words else f"sasl-lmdb -f {STORE} -k {KEY} "
                                 "set --drop legacy --realm REALM")
                for word in ("CRAM-MD5 and DIGEST-MD5", "CRAM-MD5", "DIGEST-MD5", "no-verifier",
                             "LOGIN command"):
                    wanted = any(word in w for w in words)
                    tail = found["text"].partition("MD5's speed")[2]
                    tail = tail.replace("cram-md5,digest-md5", "")
                    if wanted:
                        self.assertIn(word, tail)

    def test_legacy_verifiers_are_told_once(self):
        site = self.site(imap=True)
        site.verifiers = "default"
        site.conf["mech_list"] += " CRAM-MD5"
        site.write()
        found = [f for f in self.findings(site) if f["id"] == "legacy"]
        self.assertEqual((len(found), found[0]["mend"]), (1, ""))
        self.assertIn("Postfix offers CRAM-MD5", found[0]["text"])
        self.assertIn("need at Cyrus IMAP", found[0]["text"])

    def test_every_option_that_is_there_twice(self):
        """All are told, and the commands mend all, run as they come."""
        site = self.site(imap=True, postfix=False)
        site.imapd.update({"Servername": "x.example.org", "SERVERNAME": "mail.example.org",
                           "AllowPlainText": "no", "@include": "/etc/imapd-sasl.conf"})
        site.write()
        site.file("/etc/imapd-sasl.conf", "# 1\nservername: mail.example.org\nx: y\nX: z\n")
        again = [f for f in self.findings(site) if f["id"] == "conf-again"]
        self.assertEqual(len(again), 5)
        for finding in again:
            done = toolkit.run(["sh", "-c", finding["mend"].replace("/etc/", site.root + "/etc/")])
            self.assertEqual(done.status, 0, finding)
        self.assertEqual(self.ids(site), {"legacy"})
        self.assertEqual(toolkit.contents(site.path("/etc/imapd-sasl.conf")),
                         b"# 1\nservername: mail.example.org\nX: z\n")
        later_lines = b"bad line\nz: 1\nZ: 2\n"
        site.file("/etc/imapd-sasl.conf", b"tls_server_cert: /x\n" + later_lines)
        self.assertEqual(self.ids(site), {"conf-again", "conf-syntax", "legacy"})

    def test_an_option_that_is_there_twice(self):
        """Where both are is said; the first goes, in the file it is in, unless it has more lines."""
        site = self.site(imap=True, postfix=False)
        site.imapd["@include"] = "/etc/imapd-sasl.conf"
        site.imapd["SASL_Mech_List"] = "LOGIN PLAIN"
        del site.imapd["sasl_mech_list"]
        site.write()
        included = "# a\n  # b\nx: \\\n 1\nsasl_mech_list: \\\n  CRAM-MD5\n"
        site.file("/etc/imapd-sasl.conf", included)
        found = {f["id"]: f for f in self.findings(site)}["conf-again"]
        self.assertIn("/etc/imapd.conf line 11 has the option \"SASL_Mech_List\" a second time "
                      "(first in /etc/imapd-sasl.conf line 5 to 6)", found["text"])
        self.assertEqual(found["mend"], "")
        site.file("/etc/imapd-sasl.conf", included.replace(": \\\n  CRAM", ": CRAM"))
        found = {f["id"]: f for f in self.findings(site)}["conf-again"]
        self.assertIn("(first in /etc/imapd-sasl.conf line 5)", found["text"])
        done = toolkit.run(["sh", "-c", found["mend"].replace("/etc/", site.root + "/etc/")])
        self.assertEqual(done.status, 0, found)
        self.assertEqual(toolkit.contents(site.path("/etc/imapd-sasl.conf")),
                         b"# a\n  # b\nx: \\\n 1\n")
        self.assertEqual(self.ids(site), {"legacy"})
        # Once it is done, the command does nothing.
        toolkit.run(["sh", "-c", found["mend"].replace("/etc/", site.root + "/etc/")])
        self.assertEqual(self.ids(site), {"legacy"})

    def test_control_characters_are_escaped(self):
        site = self.site()
        site.conf["auxprop_plugin"] = "lmdb \x1b[2Jx\x9bK"
        site.write()
        result = site.doctor()
        self.assertEqual(result.status, 1)
        self.assertIn(b"\\x1b[2J", result.out)
        self.assertNotIn(b"\x1b", result.out)

    def test_a_sasldb_is_imported_once(self):
        """Another import would undo what has changed since; deleting it unseen may lose accounts."""
        for users, wanted in (([], f"sasl-lmdb -f {STORE} -k {KEY} import --format sasldb "
                                   "/etc/sasldb2"),
                              ([("alice", "example.org")], "")):
            site = self.site()
            site.users = users
            site.write()
            site.file("/etc/sasldb2", b"alice\0example.org\0userPassword Geheim77")
            found = {f["id"]: f for f in self.findings(site)}["sasldb-left"]
            self.assertEqual(found["mend"], wanted)
            self.assertEqual("deleted users back" in found["text"], bool(users))

    def test_a_second_option_that_says_the_same(self):
        """Nothing is lost by it; and where it says something else there is one command."""
        site = self.site()
        site.conf["MECH_LIST"] = site.conf["mech_list"]
        site.write()
        self.assertEqual(self.findings(site, status=0), [])
        site.conf.update(mech_list="NTLM SCRAM-SHA-1", MECH_LIST="LOGIN PLAIN")
        site.plugins[PLUGINS]["libntlm.so"] = THEIRS
        site.write()
        found = {f["id"]: f for f in self.findings(site)}
        self.assertEqual(set(found), {"conf-second", "mech-ntlm", "mech-no-login"})
        self.assertIn('line 4 has the option "MECH_LIST" a second time', found["conf-second"]["text"])
        self.assertIn("the first, in line 3;", found["conf-second"]["text"])
        self.assertEqual({f["mend"] for f in found.values()},
                         {"sed -i '/^[[:space:]]*mech_list:/Ic mech_list: LOGIN PLAIN' "
                          "/etc/postfix/sasl/smtpd.conf"})

    def test_one_list_of_mechanisms(self):
        """Whatever is wrong with mech_list, the command is the same: none undoes another."""
        site = self.site()
        site.conf["mech_list"] = "NTLM PLAIN GSSAPI CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1-PLUS"
        site.plugins[PLUGINS].update({"libntlm.so": THEIRS, "libgssapiv2.so": THEIRS})
        site.write()
        found = self.findings(site)
        self.assertEqual([f["id"] for f in found].count("mech-verifier"), 1)
        self.assertEqual({f["id"] for f in found}, {"mech-ntlm", "mech-gssapi", "mech-verifier",
                                                    "mech-no-login", "mech-unbound"})
        self.assertEqual({f["mend"] for f in found},
                         {"sed -i '/^[[:space:]]*mech_list:/Ic mech_list: PLAIN SCRAM-SHA-1 "
                          "LOGIN' /etc/postfix/sasl/smtpd.conf"})

    def test_a_line_is_not_put_into_the_last_one(self):
        """Whatever is appended: what stood last without a newline stays what it was."""
        smtpd, imapd = "/etc/postfix/sasl/smtpd.conf", "/etc/imapd.conf"
        for wanted, imap, change, path, line in (
            ("auxprop-unset", False, lambda s: s.conf.update(
                {"lmdb_path": STORE}) or s.conf.pop("auxprop_plugin"), smtpd,
             "auxprop_plugin: lmdb"),
            ("mech-unset", False, lambda s: s.conf.pop("mech_list"), smtpd,
             "mech_list: " + SMTPD_CONF["mech_list"]),
            ("crypt-only", False, lambda s: later(s, import_crypt), smtpd, "lmdb_upgrade: yes"),
            ("mech-plus", True, lambda s: s.imapd.pop("sasl_lmdb_channel_binding"), imapd,
             "sasl_lmdb_channel_binding: none"),
            ("imap-realm", True, lambda s: s.imapd.pop("loginrealms"), imapd,
             "loginrealms: example.org"),
            ("plugin-missing", True, lambda s: (
                setattr(s, "defaults", f"SASL_PATH={STOCK}\n"),
                s.plugins.update({STOCK: {}, INSTALLED: s.plugins[PLUGINS]}),
                s.mkdir("/run/systemd/system")),
             "/etc/default/cyrus-imapd", f"SASL_PATH={INSTALLED}"),
        ):
            for end in ("\n", ""):
                with self.subTest(wanted, end=end):
                    site = self.site(imap=imap, postfix=not imap)
                    change(site)
                    site.write()
                    before = toolkit.contents(site.path(path)).decode().rstrip("\n")
                    site.file(path, before + end)
                    mend = self.mend(site, wanted)
                    mend = mend[mend.index("printf "):].replace("/etc/", site.root + "/etc/")
                    self.assertEqual(toolkit.run(["sh", "-c", mend]).status, 0, mend)
                    self.assertEqual(toolkit.contents(site.path(path)).decode(),
                                     f"{before}\n{line}\n")
                    self.assertNotIn(wanted, self.ids(site) - {"crypt-only"})

    def test_they_mend(self):
        """Some of the commands, run where the files are."""
        for wanted, change in (
            ("writable", lambda s: s.conf.update(lmdb_writable="yes")),
            ("nolock", lambda s: s.conf.update(lmdb_nolock="yes")),
            ("mech-ntlm", lambda s: (s.conf.update(mech_list=s.conf["mech_list"] + " NTLM"),
                                     s.plugins[PLUGINS].update({"libntlm.so": THEIRS}))),
            ("mech-verifier", lambda s: s.conf.update(mech_list="CRAM-MD5 " +
                                                      s.conf["mech_list"])),
            ("mech-unbound", lambda s: s.conf.update(mech_list="LOGIN SCRAM-SHA-1-PLUS")),
            ("mech-nobody", lambda s: s.conf.update(mech_list="OTP SCRAMSHA256 LOGIN")),
            ("mech-unset", lambda s: (s.conf.pop("mech_list"))),
            ("not-ours", lambda s: (s.conf.update(auxprop_plugin="sasldb"),
                                    s.plugins[PLUGINS].update({"libsasldb.so": THEIRS}))),
            ("conf-never-read", lambda s: setattr(s, "conf_path", "/etc/sasl2/smtpd.conf")),
            ("key-exposed", lambda s: later(s, lambda t: os.chmod(t.path(KEY), 0o644))),
            ("key-exposed", lambda s: later(s, lambda t: AS_ROOT and os.chown(
                t.path(KEY), OWNER, CYRUS_GROUP) or os.chmod(t.path(KEY), 0o660))),
            ("pwcheck", lambda s: s.conf.update(pwcheck_method="alwaystrue")),
            ("conf-second", lambda s: s.conf.update(
                {"x": "y", "Mech_list": "PLAIN", "MECH_LIST": "LOGIN PLAIN"})),
            ("sender-owner", lambda s: (
                s.main.update(smtpd_sasl_local_domain="example.org"),
                sender_maps(s, "texthash:/etc/postfix/senders"),
                later(s, lambda t: t.file("/etc/postfix/senders", "# to bob\n"
                                          "bob@example.org\tbob, alice,carol@example.org bob\n"
                                          "alice@example.org alice\n")))),
            ("plugin-suffix", lambda s: s.plugins[PLUGINS].update(
                {"liblogin.so.3": s.plugins[PLUGINS].pop("liblogin.so")})),
        ):
            with self.subTest(wanted):
                site = self.site()
                change(site)
                site.write()
                # Paths and groups of the machine are those below the root here.
                mend = re.sub(r"(?<=[ ])/(etc|usr|var)/", site.root + r"/\1/",
                              self.mend(site, wanted))
                mend = mend.replace("chgrp sasl ", f"chgrp {SASL} ")
                done = toolkit.run(["sh", "-c", mend])
                self.assertEqual(done.status, 0, (mend, done))
                self.assertNotIn(wanted, self.ids(site), mend)


class Hostile(DoctorTest):
    def test_files_that_are_none(self):
        """A FIFO, a socket, a device, a loop of links, a directory: told, and nothing hangs."""
        def socket_at(path):
            with socket.socket(socket.AF_UNIX) as sock:
                cwd = os.getcwd()
                os.chdir(os.path.dirname(path))
                sock.bind(os.path.basename(path))
                os.chdir(cwd)

        for name in ("/etc/postfix/main.cf", "/etc/postfix/master.cf",
                     "/etc/postfix/sasl/smtpd.conf"):
            for make in (os.mkfifo, os.mkdir, socket_at,
                         lambda p: os.symlink("/dev/zero", p),
                         lambda p: os.symlink(os.path.basename(p), p)):
                site = self.site()
                site.store_path = None
                site.write()
                os.unlink(site.path(name))
                make(site.path(name))
                ids = self.ids(site)
                self.assertTrue(ids & {"unreadable", "conf-missing", "nothing-found"}, ids)

    def test_everything_else_may_be_strange(self):
        """Files the doctor only glances at do not stop it."""
        site = self.site(imap=True)
        site.write()
        for name in ("/etc/passwd", "/etc/group", "/etc/hostname", "/etc/saslauthd.conf",
                     "/etc/sasldb2", "/etc/fail2ban/jail.conf", "/proc/1/comm",
                     "/etc/default/cyrus-imapd", "/sys/fs/selinux/enforce", "/etc/os-release"):
            site.mkdir(os.path.dirname(name))
            if os.path.exists(site.path(name)):
                os.unlink(site.path(name))
            os.mkfifo(site.path(name))
        self.ids(site)

    def test_settings_that_grow(self):
        site = self.site()
        site.main["a0"] = "x" * 1000
        for i in range(1, 40):
            site.main[f"a{i}"] = f"$a{i - 1} " * 20
        site.main["e0"] = ""
        for i in range(1, 16):
            site.main[f"e{i}"] = f"${{e{i - 1}}}" * 50
        site.main["mynetworks"] = "$a39 $e15 ${a ${b ${"
        site.main["loop"] = "$loop"
        site.main["smtpd_sasl_local_domain"] = "$loop$$mydomain"
        site.write()
        self.ids(site)

    def test_many_lines_and_long_ones(self):
        site = self.site()
        site.write()
        for contents in ("a: b\n" * 100000, "x" * 1000000, "x: " + "y" * 1000000, "\n" * 900000,
                         "\0" * 1000, "mech_list: " + "PLAIN " * 10000, "\xff\xfe: \xff\n",
                         "auxprop_plugin: " + ", ".join(f"p{i}" for i in range(200))):
            site.file("/etc/postfix/sasl/smtpd.conf", contents)
            self.ids(site)
            site.file("/etc/postfix/main.cf", contents.replace(":", "="))
            self.ids(site)
            site.file("/etc/postfix/main.cf",
                      "".join(f"{k} = {v}\n" for k, v in site.main.items()))

    def test_master_lines(self):
        site = self.site()
        site.write()
        for line in ("smtp", "smtp inet n - y - -", "smtp inet n - y - - smtpd -o",
                     "smtp inet n - y - - smtpd -o {", "smtp inet n - y - - smtpd -o { x",
                     "smtp inet n - y - - smtpd -o }", "smtp inet n - y - - { smtpd",
                     "{{{{ inet n - y - - smtpd -o{a=b}", " smtp inet n - y - - smtpd",
                     "smtp inet n - y - - /x/y/smtpd -oa=b -v -o c=d" * 300):
            site.file("/etc/postfix/master.cf", line + "\n")
            self.ids(site)

    def test_a_store_that_damages(self):
        """A store whose pages lead nowhere ends a process of its own, not the doctor."""
        site = self.site()
        site.users = [(f"user{i}", "example.org") for i in range(40)]
        site.write()
        size = os.path.getsize(site.path(STORE))
        with open(site.path(STORE), "r+b") as file:
            file.seek(2 * 4096)
            file.write(b"\xff" * (size - 2 * 4096))
        self.assertIn("store-bad", self.ids(site))

    @unittest.skipUnless("SASL_LMDB_WHO_OPENS" in os.environ, "a sanitized program takes no other")
    def test_who_opens_a_store(self):
        """Nobody does, whoever owns it, without the tree's lock file, and knowing nothing else."""
        secret = "geheim-89-geheim"
        expected = pwd.getpwnam("nobody").pw_uid if AS_ROOT else os.getuid()
        for owner in (0, OWNER) if AS_ROOT else (OWNER,):
            with self.subTest(owner=owner):
                site = self.site()
                site.main["relay_password"] = secret
                site.write()
                for path in (STORE, STORE + "-lock", KEY):
                    if AS_ROOT:
                        os.chown(site.path(path), owner, SASL)
                result = toolkit.run(
                    [toolkit.TOOL, "doctor", "--root", site.root], env={
                        **os.environ, "LD_PRELOAD": os.environ["SASL_LMDB_WHO_OPENS"],
                        "WHO_OPENS_TEXT": "".join(chr(ord(c) ^ 1) for c in secret)})
                lines = result.err.decode().splitlines()
                self.assertEqual(len(lines), 1, result)
                self.assertRegex(lines[0], rf"^uid {expected} gid \d+ lock 0 text 0$")
                self.assertNotIn(b"cannot be used", result.out)

    def test_a_store_is_opened_below_the_root(self):
        """A link that leads out of the tree leads to a file in it, if to any."""
        site = self.site()
        site.write()
        for path in (STORE, KEY):
            outside = os.path.join(self.directory, os.path.basename(path))
            os.rename(site.path(path), outside)
            os.symlink(outside, site.path(path))
        self.assertIn("store-missing", self.ids(site))

    def test_sentences_name_the_files(self):
        """And not the copies that were read."""
        for path, wanted in ((STORE, "store-bad"), (KEY, "key-damaged")):
            site = self.site()
            site.write()
            with open(site.path(path), "wb") as file:
                file.write(b"nonsense\n" * 1000)
            found = {f["id"]: f["text"] for f in self.findings(site)}
            self.assertNotIn("/proc/", found[wanted])
            self.assertIn(path, found[wanted])

    def test_nothing_is_changed(self):
        site = self.site(imap=True)
        site.write()

        def state():
            found = {}
            for directory, _, files in os.walk(site.root):
                for name in files:
                    path = os.path.join(directory, name)
                    st = os.stat(path)
                    found[path] = (toolkit.contents(path), st.st_mode, st.st_uid, st.st_gid,
                                   st.st_ino)
            return found

        before = state()
        self.ids(site)
        self.assertEqual(state(), before)


class Usage(DoctorTest):
    def test_wrong_usage(self):
        for arguments in (["a", "b"], [""], ["../x"], ["--root"], ["--frobnicate"]):
            self.assert_one_line(toolkit.run([toolkit.TOOL, "doctor", *arguments]), 2)

    def test_no_such_root(self):
        self.assert_one_line(toolkit.run([toolkit.TOOL, "doctor", "--root", "/nowhere"]), 3,
                             "/nowhere")

    def test_a_service_that_is_not_there(self):
        site = self.site(postfix=False)
        site.write()
        self.assertEqual(self.ids(site, "postfix"), {"unreadable"})
        self.assertEqual(self.ids(site, "imapd"), {"unreadable"})

    def test_other_places(self):
        site = self.site(imap=True)
        site.write()
        os.rename(site.path("/etc/postfix"), site.path("/etc/postfix-out"))
        os.rename(site.path("/etc/imapd.conf"), site.path("/etc/imapd-2.conf"))
        self.assertEqual(self.ids(site, "--postfix", "/etc/postfix-out", "--imapd",
                                  "/etc/imapd-2.conf"), {"legacy"})

    def test_lost_output(self):
        site = self.site()
        site.write()
        for options in ([], ["--json"], ["--list"]):
            with open("/dev/full", "wb") as full:
                done = toolkit.subprocess.run(
                    [toolkit.TOOL, "doctor", "--root", site.root, *options], stdout=full,
                    stderr=toolkit.subprocess.PIPE, timeout=60)
            self.assertEqual(done.returncode, 3, options)


if __name__ == "__main__":
    toolkit.main()
