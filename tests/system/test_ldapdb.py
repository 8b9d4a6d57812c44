# SPDX-License-Identifier: BSD-2-Clause
"""Our mechanisms on the stock ldapdb plugin and two real slapds, one a replica of the other, with
accounts moved out of our store.
"""

import os

import directory
import harness
import otherstore
import store


class LdapdbCase(otherstore.OtherStoreCase):
    plugin = "ldapdb"
    ID_PASSWORD = "of the plugin itself"

    @classmethod
    def furnish_jail(cls, queue):
        """The plugin logs in at its first lookup, and only then does libsasl2 look for client halves.
        The names are all it has to find: the plugins of these names are loaded already."""
        os.makedirs(queue + store.PLUGINS)
        with open(f"{queue}{store.PLUGINS}/libscram.so", "wb"):
            pass

    @classmethod
    def start_stores(cls):
        cls.provider, cls.replica, options = directory.serve(
            cls.enterClassContext, cls.work, cls.store, cls.ID_PASSWORD)
        return options


class TlsTest(LdapdbCase):
    """In the jail, where the plugin finds what it needs to trust the directories."""

    @classmethod
    def start_stores(cls):
        return {**super().start_stores(), "ldapdb_starttls": "demand"}

    @classmethod
    def furnish_jail(cls, queue):
        super().furnish_jail(queue)
        os.makedirs(queue + "/etc/ldap")
        with open(queue + "/etc/ldap/ca.pem", "w", encoding="ascii") as bundle:
            for server in (cls.provider, cls.replica):
                with open(server.certificate, encoding="ascii") as file:
                    bundle.write(file.read())
        with open(queue + "/etc/ldap/ldap.conf", "w", encoding="ascii") as file:
            file.write("TLS_CACERT /etc/ldap/ca.pem\n")

    def test_tls(self):
        self.assert_alice_in()
        reply = self.attempt("PLAIN", "alice", "wrong")
        self.assertEqual(reply.code, 535, reply.dialogue)
        self.provider.log.wait_for("TLS established")
        # Out of the jail it sees the machine's own configuration, which trusts nobody here.
        reply = self.attempt("PLAIN", "alice", self.PASSWORD, "free")
        self.assertEqual(reply.code, 454, reply.dialogue)


class LdapdbTest(otherstore.Logins, LdapdbCase):
    def restarted(self, server):
        server.stop()
        server.start()

    def test_a_server_dies_and_comes_back(self):
        """The first of two, which the replica has to stand in for; then the other one."""
        self.check_a_death(self.provider.kill)
        self.restarted(self.provider)
        self.check_a_death(self.replica.kill)
        self.restarted(self.replica)
        self.replica.wait_for_provider()

    def test_a_new_password_reaches_the_replica(self):
        self.change_alice("another one")
        try:
            self.replica.wait_for_provider()
            self.provider.kill()
            self.assert_alice_in("another one")
            reply = self.attempt("PLAIN", "alice", self.PASSWORD)
            self.assertEqual(reply.code, 535, reply.dialogue)
        finally:
            self.restarted(self.provider)
            self.change_alice(self.PASSWORD)
        self.assert_alice_in()
        self.replica.wait_for_provider()

    def change_alice(self, password):
        self.store.add("alice", "lab.test", password)
        self.provider.ldap("ldapdelete", f"uid=alice@lab.test,{directory.PEOPLE}")
        self.provider.ldap("ldapadd", text=directory.ldif(
            self.store, directory.PEOPLE, "--user", "alice@lab.test"))

    def test_outage(self):
        for server in (self.provider, self.replica):
            server.kill()
        self.assert_outage()
        for server in (self.provider, self.replica):
            self.restarted(server)
        self.assert_alice_in()

    def test_who_may_read_what(self):
        """Nobody reads a verifier but who the entry is about, and the plugin in his name."""
        everything = ("-LLL", "-b", directory.SUFFIX, "(objectClass=*)")
        own = f"uid=alice@lab.test,{directory.PEOPLE}"
        rows = self.provider.ldap("ldapsearch", *everything)
        self.assertEqual(rows.count("\ndn: uid="), len(self.users) + 1)
        for _, _, password in self.users:
            self.assertNotIn(password, rows)
        for options in ((), self.as_plugin()):
            seen = self.provider.search(*options, *everything)
            self.assertNotIn("authPassword", seen)
            self.assertNotIn("alice", seen)
        seen = self.provider.search(*self.as_plugin(), "-e", "!authzid=u:alice@lab.test",
                                    "-LLL", "-b", directory.PEOPLE, "-s", "one")
        self.assertEqual(seen, "")
        seen = self.provider.search(*self.as_plugin(), "-e", "!authzid=u:alice@lab.test",
                                    "-LLL", "-b", own, "-s", "base")
        self.assertEqual([line for line in seen.splitlines() if line.startswith("dn:")],
                         [f"dn: {own}"])
        self.assertIn("authPassword: SCRAM-SHA-256$", seen)

    def test_an_unknown_name_is_asked_for_as_often(self):
        """Each question to the directory takes a time that a client could measure."""
        counts = {}
        for mechanism in otherstore.MECHANISMS:
            for user in ("alice", "nosuchuser", "off"):
                since = self.provider.log.mark()
                self.attempt(mechanism, user, "wrong")
                # The last of them has gone when the server answers the client.
                self.attempt("PLAIN", "bob", "wrong")
                questions = self.provider.log.text(since).count(" SRCH base=")
                counts.setdefault(mechanism, {})[user] = questions
        for mechanism, asked in counts.items():
            with self.subTest(mechanism):
                self.assertEqual(len(set(asked.values())), 1, asked)
                self.assertGreater(min(asked.values()), 0)

    def as_plugin(self):
        return ("-Q", "-Y", "SCRAM-SHA-256", "-U", directory.ID, "-w", self.ID_PASSWORD)


if __name__ == "__main__":
    directory.require()
    harness.main()
