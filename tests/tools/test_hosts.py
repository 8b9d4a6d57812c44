# SPDX-License-Identifier: BSD-2-Clause
"""One store on many hosts, as docs/SCALING.md has it: a leader's backup, restored by followers."""

import json
import os

import toolkit

REALM = "example.org"
ALICE = f"alice@{REALM}"


class Hosts(toolkit.ToolTest):
    """Each host has a store and a key file of its own."""

    def setUp(self):
        super().setUp()
        self.leader = self.host("leader", "--digest-realm", "mail.example")
        self.follower = self.host("follower", "--verifiers", "strict")
        self.set_password(self.leader, ALICE, b"pw of alice")
        self.bring_key()

    def host(self, name, *options):
        return self.new_store(*options, name=f"{name}.mdb", key=f"{name}.key")

    def bring_key(self):
        """What an administrator does once for each key of the leader."""
        with open(self.follower.key, "ab") as file:
            file.write(toolkit.contents(self.leader.key))

    def ship(self, follower=None, status=0, change=bytes):
        backup = self.leader.tool("backup", "-")
        self.assertEqual((backup.status, backup.err), (0, b""), backup)
        result = (follower or self.follower).tool("restore", "-", stdin=change(backup.out))
        self.assertEqual(result.status, status, result)
        return result

    def everything(self, store):
        result = store.tool("export", "--format", "jsonl", "--with-secrets", "--legacy")
        self.assertEqual(result.status, 0, result)
        return sorted(json.dumps(json.loads(line), sort_keys=True)
                      for line in result.out.splitlines())

    def test_the_follower_has_what_the_leader_has(self):
        for number in range(3):
            self.set_password(self.leader, f"user{number}@{REALM}", b"x")
            self.ship()
            self.assertEqual(self.everything(self.follower), self.everything(self.leader))
        self.leader.tool("disable", ALICE)
        self.assertEqual(self.leader.tool("export", "--format", "jsonl").status, 0)
        self.set_password(self.follower, f"lost@{REALM}", b"made on the wrong host")
        self.ship()
        self.assertEqual(self.everything(self.follower), self.everything(self.leader))
        self.assertEqual(self.follower.tool("check").status, 0)

    def test_the_settings_come_along(self):
        """A password set on the follower gets the leader's kinds of verifiers."""
        self.ship()
        self.set_password(self.follower, f"carol@{REALM}", b"x")
        self.set_password(self.leader, f"carol@{REALM}", b"x")
        kinds = [json.loads(store.tool("show", "--json", f"carol@{REALM}").out)["verifiers"]
                 for store in (self.follower, self.leader)]
        self.assertEqual(kinds[0], kinds[1])

    def test_without_the_leaders_key(self):
        stranger = self.host("stranger")
        self.set_password(stranger, ALICE, b"own")
        result = self.ship(stranger, status=3)
        self.assertIn(b"does not have that key", result.err)
        self.assert_verifies(stranger, ALICE, b"own")

    def test_the_keys_need_not_be_the_same(self):
        """Once the accounts are there they are sealed under the follower's own key."""
        self.ship()
        own = toolkit.contents(self.follower.key).splitlines(keepends=True)[:1]
        with open(self.follower.key, "wb") as file:
            file.writelines(own)
        self.assert_verifies(self.follower, ALICE, b"pw of alice")
        self.assertNotEqual(own, toolkit.contents(self.leader.key).splitlines(keepends=True)[:1])
        self.ship(status=3)

    def test_damage_on_the_way(self):
        self.ship()
        self.set_password(self.leader, ALICE, b"newer")
        for name, change in (
            ("nothing arrives", lambda data: b""),
            ("cut", lambda data: data[:-1]),
            ("cut in the middle", lambda data: data[:len(data) // 2]),
            ("a bit", lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:]),
            ("more", lambda data: data + b"\n"),
            ("an error page", lambda data: b"ssh: connect to host leader: timed out\n"),
        ):
            with self.subTest(name):
                result = self.ship(status=1, change=change)
                self.assertIn(b"nothing was changed", result.err)
                self.assert_verifies(self.follower, ALICE, b"pw of alice")
        self.ship()
        self.assert_verifies(self.follower, ALICE, b"newer")

    def test_a_new_key_of_the_leader(self):
        """Made first, brought, then used: no backup falls between."""
        self.ship()
        self.assertEqual(self.leader.tool("rekey", "--prepare").status, 0)
        with open(self.follower.key, "ab") as file:
            file.write(toolkit.contents(self.leader.key).splitlines(keepends=True)[-1])
        self.ship()
        self.assertEqual(self.leader.tool("rekey").status, 0)
        self.ship()
        self.assertEqual(self.leader.tool("rekey", "--retire").status, 0)
        self.ship()
        self.assertEqual(self.everything(self.follower), self.everything(self.leader))

    def test_a_new_key_that_was_not_brought(self):
        self.ship()
        self.assertEqual(self.leader.tool("rekey", "--retire-now").status, 0)
        self.assertIn(b"key 2", self.ship(status=3).err)
        self.assert_verifies(self.follower, ALICE, b"pw of alice")
        self.bring_key()
        self.ship()

    def test_a_new_key_of_the_follower(self):
        self.ship()
        self.assertEqual(self.follower.tool("rekey", "--retire-now").status, 0)
        self.ship()
        self.assert_verifies(self.follower, ALICE, b"pw of alice")

    def test_a_follower_becomes_the_leader(self):
        self.ship()
        os.unlink(self.leader.path)
        os.unlink(self.leader.lock)
        self.leader, self.follower = self.follower, self.host("third")
        self.bring_key()
        self.ship()
        self.assert_verifies(self.follower, ALICE, b"pw of alice")


if __name__ == "__main__":
    toolkit.main()
