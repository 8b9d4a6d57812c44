# SPDX-License-Identifier: BSD-2-Clause
"""Our mechanisms on the stock sql plugin and a real PostgreSQL, with accounts moved out of our
store.
"""

import harness
import otherstore
import postgresql


class SqlTest(otherstore.Logins, otherstore.OtherStoreCase):
    plugin = "sql"

    @classmethod
    def start_stores(cls):
        cls.server, options = postgresql.serve(cls.enterClassContext, cls.work, cls.store)
        # Nobody listens on the first one.
        return {**options, "sql_hostnames": "127.0.0.1:1, " + options["sql_hostnames"]}

    def move(self, *options):
        self.server.sql(postgresql.statements(self.store, *options), postgresql.DATABASE)

    def test_a_new_password(self):
        self.store.add("alice", "lab.test", "another one")
        try:
            self.move("--user", "alice@lab.test")
            self.assert_alice_in("another one")
        finally:
            self.store.add("alice", "lab.test", self.PASSWORD)
            self.move()
        self.assert_alice_in()

    def test_no_password_is_there(self):
        rows = self.server.sql("SELECT * FROM sasl_accounts", postgresql.DATABASE)
        self.assertEqual(rows.count("SCRAM-SHA-256$"), len(self.users))
        for _, _, password in self.users:
            self.assertNotIn(password, rows)

    def test_outage(self):
        self.assert_alice_in()
        self.server.stop()
        self.assert_outage()
        self.server.start()
        self.assert_alice_in()


if __name__ == "__main__":
    otherstore.require_plugin("sql", "libsasl2-modules-sql")
    postgresql.require()
    harness.main()
