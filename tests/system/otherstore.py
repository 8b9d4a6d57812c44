# SPDX-License-Identifier: BSD-2-Clause
"""Accounts that have left our store for another one, behind one of Cyrus SASL's own plugins.

A test of such a store brings its servers and the accounts into them; what logins have to look like
is the same for all, and is here.
"""

import os
import threading
import time

import harness
import postfix
import store
from exchanges import Scram, authenticate, begin
from smtp_talk import SmtpTalk

MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256")
TEMPORARY = "454 4.7.0 Temporary authentication failure: "
DOMAIN = "lab.test"
ITERATIONS = 12000  # not the default, so that decoys have to be told


def stock_plugin(name):
    """The path of a plugin of the distribution, or None."""
    directory = harness.stock_plugins()
    path = directory and os.path.join(directory, f"lib{name}.so")
    return path if path and os.path.exists(path) else None


def require_plugin(name, package):
    harness.require_ours()
    if stock_plugin(name) is None:
        harness.skip(f"the {name} plugin is missing: apt-get install {package}")


class OtherStoreCase(harness.PostfixCase):
    plugin = None  # of the distribution
    REALM = DOMAIN
    users = [
        ("alice", DOMAIN, harness.PostfixCase.PASSWORD),
        ("bob", "other.test", "password of bob"),
        ("o'neill, +x", DOMAIN, "it's"),
        ("j\u00fcrgen", DOMAIN, "gr\u00fc\u00df Gott"),
    ]
    init_options = ("--iterations", str(ITERATIONS))

    @classmethod
    def start_stores(cls):
        """Starts the servers, moves the accounts of cls.store into them, and returns the options
        of the plugin."""
        raise NotImplementedError

    @classmethod
    def sasl_confs(cls):
        common = {"smtpd_sasl_local_domain": DOMAIN}
        # "fresh": each connection gets a process that knows nothing of earlier ones. "free": not in
        # a jail.
        cls.services = {"smtp": common, "fresh": {**common, "max_use": "1"},
                        "free": {**common, postfix.CHROOT: "n"}}
        cls.store.add("off", DOMAIN, "password of off")
        store.must(cls.store.tool("disable", f"off@{DOMAIN}"))
        options = cls.start_stores()
        links = cls.work.mkdir("plugins", 0o755)
        os.symlink(stock_plugin(cls.plugin), os.path.join(links, f"lib{cls.plugin}.so"))
        cls.store.plugin_path = f"{store.PLUGINS}:{links}"
        decoy_key = cls.work.join("decoy-key")
        with open(decoy_key, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(os.urandom(32))
        values = {
            "pwcheck_method": "auxprop",
            "auxprop_plugin": cls.plugin,
            "mech_list": " ".join(MECHANISMS),
            "decoy_keyfile": decoy_key,
            "decoy_iterations": ITERATIONS,
            **options,
        }
        return {"smtpd": "".join(f"{key}: {value}\n" for key, value in values.items())}

    def attempt(self, mechanism, user, password, service="smtp"):
        with SmtpTalk(self.postfix.ports[service]) as talk:
            reply = authenticate(talk, mechanism, user, password)
        reply.dialogue = talk.dialogue()
        return reply

    def assert_in(self, mechanism, user, password, service="smtp"):
        reply = self.attempt(mechanism, user, password, service)
        self.assertEqual(reply.code, 235, reply.dialogue)

    def assert_alice_in(self, password=harness.PostfixCase.PASSWORD):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.assert_in(mechanism, "alice", password)

    def assert_outage(self):
        """454 for everybody: not a word about who exists, and nobody asked for his password."""
        for mechanism in MECHANISMS:
            for user in ("alice", "nosuchuser"):
                with self.subTest(f"{mechanism} {user}"):
                    reply = self.attempt(mechanism, user, self.PASSWORD)
                    self.assertTrue(reply.text.startswith(TEMPORARY), reply.dialogue)

    def server_first(self, mechanism, user):
        """(salt, iterations) that a process shows for a name before it knows any other."""
        scram = Scram(mechanism.removeprefix("SCRAM-").lower().replace("-", ""), user, "x")
        with SmtpTalk(self.postfix.ports["fresh"]) as talk:
            scram.read_server_first(begin(talk, mechanism, scram.first()).challenge)
            talk.line("*")
        return scram.salt, scram.iterations

    def check_a_death(self, kill, count=12):
        """Logins in two threads; kill() meanwhile. Whoever begins after it is let in at once, and
        nobody is told at any time that his password is wrong."""
        attempts = []
        dead = threading.Event()
        enough = threading.Event()

        def log_in(mechanisms):
            number = 0
            while not enough.is_set():
                mechanism = mechanisms[number % len(mechanisms)]
                number += 1
                after = dead.is_set()
                attempts.append((after, self.attempt(mechanism, "alice", self.PASSWORD)))

        threads = [threading.Thread(target=log_in, args=(mechanisms,))
                   for mechanisms in (MECHANISMS, MECHANISMS[::-1])]
        for thread in threads:
            thread.start()
        try:
            self.wait_until(lambda: len(attempts) >= count)
            kill()
            dead.set()
            self.wait_until(lambda: len([1 for after, _ in list(attempts) if after]) >= count)
        finally:
            enough.set()
            for thread in threads:
                thread.join()
        for after, reply in attempts:
            allowed = (235,) if after else (235, 454)
            self.assertIn(reply.code, allowed, reply.dialogue)

    def wait_until(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.05)


class Logins:
    """The tests every such store has to pass; a mixin."""

    def test_everybody_gets_in(self):
        for mechanism in MECHANISMS:
            for user, realm, password in self.users:
                name = user if realm == DOMAIN else f"{user}@{realm}"
                for service in ("smtp", "free"):
                    with self.subTest(f"{mechanism} {name} {service}"):
                        self.assert_in(mechanism, name, password, service)

    def test_refused_alike(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                since = self.postfix.log.mark()
                replies = {self.attempt(mechanism, *credentials).text for credentials in (
                    ("alice", "wrong"), ("nosuchuser", self.PASSWORD), ("off", "password of off"),
                    ("alice@other.test", self.PASSWORD), ("bob", "password of bob"),
                    ("' OR 'a' = 'a", "x"), ("*", "x"), ("alice,ou=x", self.PASSWORD))}
                self.assertEqual(len(replies), 1, replies)
                self.assertTrue(min(replies).startswith("535 "), replies)
                for reason in ("password", "unknown"):
                    self.postfix.log.wait_for(
                        f"sasl-lmdb: mech={mechanism} reason={reason} ", since)

    def test_an_unknown_name_looks_like_a_known_one(self):
        seen = set()
        for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                known = self.server_first(mechanism, "alice")
                self.assertEqual(known, self.server_first(mechanism, "alice"))
                for ghost in ("ghost", "ghost2"):
                    shown = self.server_first(mechanism, ghost)
                    self.assertEqual(shown, self.server_first(mechanism, ghost))
                    self.assertEqual((len(shown[0]), shown[1]), (len(known[0]), known[1]))
                    seen.add(shown[0])
        self.assertEqual(len(seen), 4, "each name and mechanism has a salt of its own")
