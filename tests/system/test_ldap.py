# SPDX-License-Identifier: BSD-2-Clause
"""A real slapd on our store, which forks after the plugins have been loaded and looks up in threads.

ldapwhoami is the client, with our client halves and with the distribution's.
"""

import concurrent.futures
import os
import re
import unittest

import exchanges
import harness
import slapd
import store
import throwaway

REALM = "lab.test"
USER, PASSWORD = "alice", 'Tr0ub4dor&3 "q" \\n'
USERS = [(USER, REALM, PASSWORD), ("j\u00fcrgen", REALM, "gr\u00fc\u00df Gott")]
USERS += [(f"user{number}", REALM, f"password {number}") for number in range(20)]
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)

EXAMPLE = os.path.join(store.ROOT, "packaging/examples/slapd.conf")

LOGINS = 200  # at once
CHANGE_SECONDS = 0.5

INVALID_CREDENTIALS = 49  # LDAP's result code (RFC 4511 A.1), and ldapwhoami's exit status


class LdapTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(
            cls, slapd.USER, USERS, "--digest-realm", slapd.HOSTNAME)
        cls.server = cls.start_server("slapd", lmdb_digest_layers="conf")

    @classmethod
    def start_server(cls, name, **options):
        conf = cls.store.conf(mech_list=" ".join(MECHANISMS), **options)
        return cls.enterClassContext(slapd.Slapd(cls.work, conf, store.PLUGINS, REALM, name))

    @classmethod
    def tearDownClass(cls):
        cls.server.check_log(USERS)

    def assert_in(self, mechanism, user, password, *options, **keywords):
        status, output = slapd.whoami(self.server, mechanism, user, password, *options, **keywords)
        self.assertEqual(status, 0, output)
        self.assertRegex(output, f"^dn:uid={user}(@{REALM})?,")

    def assert_refused(self, mechanism, user, password, *options):
        status, output = slapd.whoami(self.server, mechanism, user, password, *options)
        self.assertEqual(status, INVALID_CREDENTIALS, output)
        return output

    def test_each_mechanism_is_offered_once(self):
        output = store.must(store.run([
            "ldapsearch", "-x", "-LLL", "-H", f"ldap://127.0.0.1:{self.server.port}", "-b", "",
            "-s", "base", "supportedSASLMechanisms"], env={"LDAPNOINIT": ""})).stdout
        offered = [line.split()[1] for line in output.splitlines() if line.startswith("supported")]
        self.assertEqual(sorted(offered), sorted(MECHANISMS))

    def test_every_mechanism(self):
        for mechanism in MECHANISMS:
            for user, _, password in USERS[:2]:
                for options in ((), ("-ZZ",)):
                    with self.subTest(f"{mechanism} {user} {options}"):
                        self.assert_in(mechanism, user, password, *options)

    def test_with_the_stock_client_halves(self):
        plugins = harness.stock_plugins()
        if plugins is None:
            self.skipTest("the stock plugins are missing: apt-get install libsasl2-modules")
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.assert_in(mechanism, USER, PASSWORD, plugins=plugins)

    def test_the_realm_written_out(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                status, output = slapd.whoami(
                    self.server, mechanism, f"{USER}@{REALM}", PASSWORD)
                self.assertEqual(status, 0, output)
                status, output = slapd.whoami(
                    self.server, mechanism, f"{USER}@other.test", PASSWORD)
                self.assertEqual(status, INVALID_CREDENTIALS, output)

    def test_refused_alike(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                since = self.server.log.mark()
                outputs = {self.assert_refused(mechanism, *credentials) for credentials in (
                    (USER, PASSWORD + "x"), (USER, "x"), ("nosuchuser", PASSWORD))}
                self.assertEqual(len(outputs), 1, outputs)
                for reason in ("password", "unknown"):
                    self.server.log.wait_for(
                        f"sasl-lmdb: mech={mechanism} reason={reason} user=", since)

    def test_digest_layers(self):
        """What ldapwhoami asks and is told goes through the layer."""
        for strength in (0, 1):
            for plugins in (store.PLUGINS, harness.stock_plugins()):
                with self.subTest(f"{strength} {plugins}"):
                    if plugins is not None:
                        self.assert_in("DIGEST-MD5", USER, PASSWORD, plugins=plugins,
                                       properties=f"minssf={strength},maxssf={strength}")
        if harness.stock_plugins() is not None:
            self.assert_in("DIGEST-MD5", USER, PASSWORD, properties="minssf=128",
                           plugins=harness.stock_plugins())

    def test_no_other_mechanism_has_a_layer(self):
        for mechanism in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                status, _ = slapd.whoami(
                    self.server, mechanism, USER, PASSWORD, properties="none,minssf=1")
                self.assertNotEqual(status, 0)

    def run_parallel(self, logins):
        """logins: (mechanism, user, password, expected status). All at the same time."""
        def attempt(login):
            mechanism, user, password, _ = login
            return slapd.whoami(self.server, mechanism, user, password)

        with concurrent.futures.ThreadPoolExecutor(len(logins)) as pool:
            for login, (status, output) in zip(logins, pool.map(attempt, logins)):
                self.assertEqual(status, login[3], f"{login}\n{output}")

    @staticmethod
    def mixed_logins(count):
        """Each mechanism, many users; every third one has a wrong password."""
        for number in range(count):
            user, _, password = USERS[2 + number % 20]
            wrong = number % 3 == 2
            yield (MECHANISMS[number % len(MECHANISMS)], user, password + "x" * wrong,
                   INVALID_CREDENTIALS if wrong else 0)

    def test_many_at_once_while_the_store_changes(self):
        """Accounts change and the store gets a new key; nobody who logs in meanwhile notices."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.run_parallel, list(self.mixed_logins(LOGINS)))
            changes = 0
            while not running.done() or changes < 2:
                self.store.add("carol", REALM, f"password {changes}")
                store.must(self.store.tool("rekey"))
                store.must(self.store.tool("rekey", "--retire"))
                changes += 1
                concurrent.futures.wait([running], CHANGE_SECONDS)
            running.result()
        # It has used more than one thread.
        self.assertGreater(len(os.listdir(f"/proc/{self.server.forked_pid()}/task")), 2)
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.assert_in(mechanism, "carol", f"password {changes - 1}")
                self.assert_refused(mechanism, "carol", f"password {changes - 2}")
        self.store.delete("carol", REALM)
        self.assert_refused("PLAIN", "carol", f"password {changes - 1}")

    def test_outage_at_the_start_and_repair(self):
        """A slapd started without its store says "not now" to everybody, and goes on once it is
        there."""
        aside = self.store.path + ".aside"
        os.rename(self.store.path, aside)
        try:
            server = self.start_server("outage")
            for mechanism in MECHANISMS:
                with self.subTest(mechanism):
                    since = server.log.mark()
                    answers = {slapd.whoami(server, mechanism, user, password)
                               for user, password in ((USER, PASSWORD), ("nosuchuser", "x"))}
                    self.assertEqual(len(answers), 1, answers)
                    self.assertNotIn(min(answers)[0], (0, INVALID_CREDENTIALS), answers)
                    server.log.wait_for(f"sasl-lmdb: mech={mechanism} reason=store ", since)
            server.log.wait_for("sasl-lmdb: .*users.mdb.*No such file")
        finally:
            os.rename(aside, self.store.path)
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                status, output = slapd.whoami(server, mechanism, USER, PASSWORD)
                self.assertEqual(status, 0, output)
        server.check_log(USERS)

    def test_the_example_as_it_is_shipped(self):
        """It names no store: that is where the tools make it."""
        if not throwaway.is_possible():
            self.skipTest("no overlay can be mounted here")
        with open(EXAMPLE, encoding="utf-8") as file:
            example = file.read()
        server = self.enterContext(slapd.Slapd(
            self.work, example, store.PLUGINS, REALM, "example", self.store.directory))
        mechanisms = re.search("^mech_list: (.*)", example, re.M)[1].split()
        self.assertGreater(len(mechanisms), 3)
        for mechanism in mechanisms:
            with self.subTest(mechanism):
                status, output = slapd.whoami(server, mechanism, USER, PASSWORD)
                self.assertEqual(status, 0, output + server.log.text())
                status, output = slapd.whoami(server, mechanism, USER, "wrong")
                self.assertEqual(status, INVALID_CREDENTIALS, output)
        server.check_log(USERS)

    def test_it_ends_in_order(self):
        """SIGTERM: slapd finishes, and the plugins are freed in another process than loaded them."""
        server = self.start_server("ends")
        self.assertEqual(slapd.whoami(server, "SCRAM-SHA-256", USER, PASSWORD)[0], 0)
        server.stop()
        server.log.wait_for("slapd stopped")
        server.check_log(USERS)


if __name__ == "__main__":
    slapd.require()
    harness.run_tests()
