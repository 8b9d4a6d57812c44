# SPDX-License-Identifier: BSD-2-Clause
"""Credential stores for the tests, made by the tools an administrator would use.

LmdbStore is the one under test. SasldbStore is the distribution's, with the distribution's
plugins: the harness runs on it with --stock, to tell a fault of a test from one of a plugin.
"""

import os
import pwd
import subprocess

MECHANISMS = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
TOOL_SECONDS = 60

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLUGINS = os.environ.get("SASL_LMDB_PLUGINS", os.path.join(ROOT, "build/release/plugins"))
TOOLS = os.environ.get("SASL_LMDB_TOOLS", os.path.join(ROOT, "build/release/bin"))


def run(command, secret=None, env=None):
    """Runs a tool to its end; secret goes to its standard input."""
    return subprocess.run(
        command,
        input=secret if secret is not None else "",
        text=True,
        capture_output=True,
        timeout=TOOL_SECONDS,
        env={**os.environ, **env} if env else None,
    )


def must(result):
    """The result of run(), which has to be a success."""
    if result.returncode != 0:
        raise AssertionError(
            f"{result.args}: exit {result.returncode}\n{result.stdout}{result.stderr}"
        )
    return result


class LmdbStore:
    """A store and its key in a directory that root alone can enter."""

    plugin_path = PLUGINS
    is_stock = False

    def __init__(self, work, name="store"):
        self.directory = work.mkdir(name, 0o700)
        self.path = os.path.join(self.directory, "users.mdb")
        self.key = os.path.join(self.directory, "key")

    def tool(self, *arguments, secret=None):
        """Runs sasl-lmdb on this store; the caller looks at the exit status."""
        program = os.path.join(TOOLS, "sasl-lmdb")
        return run([program, "-f", self.path, "-k", self.key, *arguments], secret)

    def passwd(self, *arguments, secret=None):
        """Runs saslpasswd-lmdb on this store."""
        program = os.path.join(TOOLS, "saslpasswd-lmdb")
        return run([program, "-f", self.path, "-k", self.key, *arguments], secret)

    def create(self, *options):
        # Where the account sasl-lmdb exists init would give it the files, and it could not enter.
        must(self.tool("init", "--owner", "root", *options))
        for path in (self.path, self.path + "-lock", self.key):
            mode = os.stat(path).st_mode & 0o777
            if mode != 0o600:
                raise AssertionError(f"{path}: mode {mode:o}, not 600")

    def add(self, user, realm, password):
        must(self.passwd("-p", "-c", "-u", realm, user, secret=password))

    def add_all(self, users):
        """users: (user, realm, password) each."""
        lines = "".join("\t".join(user) + "\n" for user in users)
        must(self.tool("import", "--format", "tsv", "-", secret=lines))

    def delete(self, user, realm):
        must(self.passwd("-d", "-u", realm, user))

    def publish(self):
        """What a tool has written can be read at once."""

    def give_to(self, user):
        """Makes a user the owner, for servers that have ceased to be root when they open it."""
        account = pwd.getpwnam(user)
        names = [os.path.join(self.directory, name) for name in os.listdir(self.directory)]
        for path in [self.directory, *names]:
            os.chown(path, account.pw_uid, account.pw_gid)

    def options(self, **options):
        """A SASL configuration as a dict; options overrule."""
        return {
            "pwcheck_method": "auxprop",
            "auxprop_plugin": "lmdb",
            "lmdb_path": self.path,
            "lmdb_keyfile": self.key,
            "mech_list": MECHANISMS,
            **options,
        }

    def conf(self, **options):
        """The same as text of a configuration file."""
        return "".join(f"{key}: {value}\n" for key, value in self.options(**options).items())


class SasldbStore:
    """The same interface on sasldb2, whose file has to lie inside the jail."""

    plugin_path = None
    is_stock = True

    def __init__(self, work, name="store"):
        self.directory = work.mkdir(name, 0o700)
        self.path = os.path.join(self.directory, "sasldb2")
        self.key = os.path.join(self.directory, "key")
        self._jails = []

    def into_jail(self, queue):
        """Keeps a copy for the jail at queue, which a chrooted smtpd needs."""
        self._jails.append(queue)
        self.publish()

    def publish(self):
        """Brings what a tool has changed into the jails."""
        for queue in self._jails:
            target = queue + self.path
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(self.path, "rb") as source, open(target, "wb") as copy:
                copy.write(source.read())
            os.chmod(target, 0o644)

    def create(self, *options):
        self.add("nobody", "invalid", "x")

    def add(self, user, realm, password):
        must(run(["saslpasswd2", "-p", "-c", "-f", self.path, "-u", realm, user], password))
        self.publish()

    def add_all(self, users):
        for user in users:
            self.add(*user)

    def delete(self, user, realm):
        must(run(["saslpasswd2", "-d", "-f", self.path, "-u", realm, user]))
        self.publish()

    def conf(self, **options):
        values = {
            "pwcheck_method": "auxprop",
            "auxprop_plugin": "sasldb",
            "sasldb_path": self.path,
            "mech_list": MECHANISMS,
            **options,
        }
        return "".join(f"{key}: {value}\n" for key, value in values.items())
