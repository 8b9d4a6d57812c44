# SPDX-License-Identifier: BSD-2-Clause
"""What the test programs share: requirements, one Postfix a program, the log when a test fails.

A program that cannot run because something is not installed says which Debian package brings it
and ends with SKIPPED, which ctest shows as skipped.

With --stock as argument the distribution's plugins and sasldb take the place of ours. Whatever
fails then too is a fault of the test or of its surroundings.
"""

import base64
import glob
import os
import shutil
import subprocess
import sys
import unittest

import postfix
import store
import workdir

SKIPPED = 77
SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# program -> Debian package
PACKAGES = {
    "postfix": "postfix",
    "openssl": "openssl",
    "swaks": "swaks",
    "curl": "curl",
    "msmtp": "msmtp",
    "gsasl": "gsasl",
    "saslauthd": "sasl2-bin",
    "saslpasswd2": "sasl2-bin",
    "fail2ban-regex": "fail2ban",
    "fail2ban-client": "fail2ban",
}

STOCK = "--stock" in sys.argv
Store = store.SasldbStore if STOCK else store.LmdbStore


def skip(reason):
    print(f"SKIP: {reason}", flush=True)
    sys.exit(SKIPPED)


def require(*programs):
    """Ends the program as skipped unless it runs as root and every program is installed."""
    os.environ["PATH"] = SBIN
    if os.getuid() != 0:
        skip("a chrooted Postfix has to be started as root")
    for program in ("postfix", "openssl", *programs):
        if not shutil.which(program):
            skip(f"{program} is missing: apt-get install {PACKAGES[program]}")
    if STOCK and not shutil.which("saslpasswd2"):
        skip("saslpasswd2 is missing: apt-get install sasl2-bin")


def require_namespaces(server, *options):
    """Ends the program as skipped unless unshare(1) can make what the server is started in. A
    container may not."""
    if subprocess.run(["unshare", *options, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        skip(f"{server} is started by unshare {' '.join(options)}, which is not permitted here")


def require_ours():
    """Ends the program as skipped with --stock, when there is nothing to compare with."""
    if STOCK:
        skip("this is about the store under test")


def work_and_store(case, owner, users, *init_options):
    """A directory, and a store in it that belongs to that user, for the time of a test class."""
    work = case.enterClassContext(workdir.WorkDir())
    made = store.LmdbStore(work)
    made.create(*init_options)
    made.add_all(users)
    made.give_to(owner)
    return work, made


def stock_plugins():
    """The directory of the distribution's plugins, or None."""
    found = glob.glob("/usr/lib/*/sasl2/libdigestmd5.so")
    return os.path.dirname(found[0]) if found else None


class PostfixCase(unittest.TestCase):
    """Starts one Postfix for the class. Subclasses say what it is made of."""

    REALM = postfix.HOSTNAME
    USER = "alice"
    PASSWORD = 'Tr0ub4dor&3 $HOME "q" \\n'
    users = [(USER, REALM, PASSWORD)]
    services = None
    settings = None
    init_options = ()

    @classmethod
    def sasl_confs(cls):
        return {"smtpd": cls.store.conf()}

    @classmethod
    def furnish_jail(cls, queue):
        """Puts into smtpd's jail what has to be there."""
        if cls.store.is_stock:
            cls.store.into_jail(queue)

    @classmethod
    def setUpClass(cls):
        cls.work = cls.enterClassContext(workdir.WorkDir())
        cls.store = Store(cls.work)
        cls.store.create(*cls.init_options)
        cls.store.add_all(cls.users)
        cls.postfix = postfix.Postfix(
            cls.work, cls.sasl_confs(), cls.store.plugin_path, cls.services, cls.settings)
        cls.furnish_jail(cls.postfix.queue)
        cls.addClassCleanup(_keep_log, cls.postfix)
        cls.enterClassContext(cls.postfix)

    @classmethod
    def tearDownClass(cls):
        """What has to be true after every test: nobody died, and no password was logged."""
        crashes = cls.postfix.crashes()
        if crashes:
            raise AssertionError("processes died:\n" + "\n".join(crashes))
        check_passwords_unlogged(cls.postfix.log.text(), cls.users)


def check_passwords_unlogged(log, users):
    for user, realm, password in users:
        for form in (password, base64.b64encode(password.encode()).decode().rstrip("=")):
            if form in log:
                raise AssertionError(f"the password of {user}@{realm} was logged")


_logs = []


def _keep_log(instance):
    _logs.append((instance.config, instance.log.text()))


def main(*programs):
    """Runs the tests of the calling program, which need a Postfix and these programs."""
    require(*programs)
    run_tests()


def run_tests():
    workdir.exit_on_sigterm()
    arguments = [argument for argument in sys.argv if argument != "--stock"]
    program = unittest.main("__main__", argv=arguments, exit=False, verbosity=2)
    if program.result.wasSuccessful():
        sys.exit(0)
    for name, text in _logs:
        print(f"--- log of {name}\n{text}--- end of log", file=sys.stderr)
    sys.exit(1)
