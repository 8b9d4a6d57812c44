# SPDX-License-Identifier: BSD-2-Clause
"""A private PostgreSQL on loopback, its files below one directory, and how its clients ask it."""

import glob
import os
import pwd
import subprocess

import harness
import store
from daemon import Daemon
from postfix import free_ports

USER = "postgres"
SECONDS = 60
DATABASE = "mail"

# One query for each property that a mechanism asks for: of any but this one there is no row.
SELECT = ("SELECT authPassword FROM sasl_accounts WHERE username = '%u' AND realm = '%r'"
          " AND '%p' = 'authPassword'")


def _programs():
    """The directory of the newest version's programs, or None: Debian has one for each version."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    return os.path.dirname(max(found, key=lambda path: int(path.split("/")[4]))) if found else None


def require():
    """Ends the program as skipped unless a PostgreSQL can be started."""
    if _programs() is None:
        harness.skip("initdb is missing: apt-get install postgresql")


class Postgres(Daemon):
    """Its databases are reached with a password on `port`, by the administrator on a socket."""

    def __init__(self, work, name="postgresql"):
        super().__init__(work, name, plugin_path="")
        self.port = None
        self.data = os.path.join(self.base, "data")
        self.socket = os.path.join(self.base, "socket")
        for path in (self.data, self.socket):
            os.mkdir(path, 0o700)
            os.chown(path, pwd.getpwnam(USER).pw_uid, pwd.getpwnam(USER).pw_gid)
        self._run("initdb", "-D", self.data, "-E", "UTF8", "--no-locale", "--no-sync",
                  "--auth-local=peer", "--auth-host=scram-sha-256", "-U", USER)

    @staticmethod
    def _as_user(program, *arguments):
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                os.path.join(_programs(), program), *arguments]

    def _run(self, program, *arguments, text=""):
        done = subprocess.run(self._as_user(program, *arguments), input=text, text=True,
                              capture_output=True, timeout=SECONDS, cwd="/", env=self.environment())
        if done.returncode != 0:
            raise AssertionError(f"{done.args}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def environment(self):
        return {"PATH": os.environ["PATH"], "LC_ALL": "C"}

    def write_configuration(self):
        if self.port is None:
            self.port = free_ports(1)[0]
        settings = {
            "port": self.port,
            "listen_addresses": "'127.0.0.1'",
            "unix_socket_directories": f"'{self.socket}'",
            # Nothing of it outlives the test.
            "fsync": "off",
        }
        with open(os.path.join(self.data, "postgresql.auto.conf"), "w", encoding="utf-8") as file:
            for name, value in settings.items():
                file.write(f"{name} = {value}\n")

    def command(self):
        return self._as_user("postgres", "-D", self.data)

    def answers(self):
        return subprocess.run(
            self._as_user("pg_isready", "-q", "-h", self.socket, "-p", str(self.port)),
            cwd="/", env=self.environment(), timeout=SECONDS).returncode == 0

    def sql(self, text, database=USER):
        """Runs statements as the administrator; what they print, rows as lines without frames."""
        return self._run("psql", "-h", self.socket, "-p", str(self.port), "-d", database, "-qAtX",
                         "-v", "ON_ERROR_STOP=1", "-f", "-", text=text)


def statements(made, *options):
    """The accounts of a store of ours as SQL."""
    return store.must(made.tool("export", "--format", "sql", "--with-secrets", *options)).stdout


def serve(enter, work, made):
    """Starts one and moves the accounts of a store of ours there. enter is what enters a context.
    Returns the server and the plugin's options."""
    server = enter(Postgres(work))
    server.sql(f"CREATE DATABASE {DATABASE}; CREATE ROLE smtpd LOGIN PASSWORD 'only to read';")
    server.sql(statements(made), DATABASE)
    server.sql("GRANT SELECT ON sasl_accounts TO smtpd;", DATABASE)
    return server, {
        "sql_engine": "pgsql",
        "sql_hostnames": f"127.0.0.1:{server.port}",
        "sql_user": "smtpd",
        "sql_passwd": "only to read",
        "sql_database": DATABASE,
        "sql_select": SELECT,
    }
