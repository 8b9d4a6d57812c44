#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Accounts that came with nothing but a crypt(3) hash log in and get their verifiers: the server
leaves a ticket, the tool takes it. Also everything a ticket file may be that no server has made."""

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import time

import toolkit

LOGIN = os.environ.get("SASL_LMDB_LOGIN", "")
REALM = "lab.test"
OK, BADAUTH = 0, -13

TICKET = 16 + 4 + 16 + 32 + 1540 + 16
MAGIC = b"sasl-lmdb ticket"
CEILING = 32 * 1024 * 1024


class Server:
    """sasl_login, which logs in as often as it is asked to."""

    def __init__(self, store, *options):
        self.process = subprocess.Popen(
            [LOGIN, store.path, store.key, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self, text):
        """Asks one thing; the first line of the answer."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def login(self, user, password, mechanism="PLAIN"):
        """libsasl2's code of a login."""
        return int(self.line(f"{mechanism}\t{user}\t{password}"))

    def log(self):
        """What the server has logged."""
        first = self.line("log")
        lines = []
        while first:
            lines.append(first)
            first = self.process.stdout.readline().strip()
        return lines

    def close(self):
        """Ends it."""
        self.process.stdin.close()
        self.process.wait(timeout=toolkit.SECONDS)
        self.process.stdout.close()


class UpgradeTest(toolkit.ToolTest):
    """A store with accounts from /etc/shadow."""

    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        self.tickets = self.store.path + "-tickets"
        self.private = self.store.key + "-tickets"
        self.add_all(("alice", "secret"), ("bob", "bob's"))

    def hash(self, password):
        """A crypt(3) hash that does not cost much."""
        done = toolkit.run(["openssl", "passwd", "-1", "-stdin"], password.encode())
        self.assertEqual(done.status, 0, done)
        return done.out.decode().strip()

    def add(self, user, password):
        """An account with only a hash, as in /etc/shadow."""
        self.add_all((user, password))

    def add_all(self, *users):
        """Several."""
        lines = [f"{user}:{self.hash(password)}:19000:0:99999:7:::\n" for user, password in users]
        path = self.file("shadow", "".join(lines).encode())
        result = self.store.tool("import", "--format", "shadow", "-u", REALM, path)
        self.assertEqual(result.status, 0, result)

    def upgrade(self, store=None, **wanted):
        """set --upgrade; checks the counts that are named."""
        result = (store or self.store).tool("set", "--upgrade", "--json")
        self.assertEqual(result.status, 0, result)
        counts = json.loads(result.out)
        for name, value in wanted.items():
            self.assertEqual(counts[name], value, counts)
        return counts

    def server(self, *options, store=None):
        """A server with lmdb_upgrade."""
        server = Server(store or self.store, "lmdb_upgrade", "yes", *options)
        self.addCleanup(server.close)
        return server

    def size(self):
        """Bytes in the ticket file."""
        return os.stat(self.tickets).st_size

    def kinds(self, user):
        """The verifiers an account has."""
        return set(self.store.accounts()[f"{user}@{REALM}"]["verifiers"])

    def leave(self, *users):
        """Tickets of good logins, in one string."""
        server = self.server()
        for user, password in users:
            self.assertEqual(server.login(user, password), OK)
        return toolkit.contents(self.tickets)


class Upgrade(UpgradeTest):
    """The way it should go."""

    def test_from_plain_to_scram(self):
        """PLAIN, a run of the tool, SCRAM; the same server all the time."""
        self.upgrade(upgraded=0)
        server = self.server()
        self.assertEqual(server.login("alice", "secret", "SCRAM-SHA-256"), BADAUTH)
        self.assertEqual(server.login("alice", "wrong"), BADAUTH)
        self.assertEqual(self.size(), 0)
        self.assertEqual(server.login("alice", "secret"), OK)
        self.assertEqual(server.login("bob", "bob's", "LOGIN"), OK)
        self.assertEqual(self.size(), 2 * TICKET)
        before = self.store.accounts()[f"alice@{REALM}"]
        self.upgrade(upgraded=2, needless=0, refused=0, unreadable=0, emptied=True)
        self.assertEqual(self.size(), 0)
        for user, password in (("alice", "secret"), ("bob", "bob's")):
            for mechanism in ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"):
                self.assertEqual(server.login(user, password, mechanism), OK, mechanism)
                self.assertEqual(server.login(user, "wrong", mechanism), BADAUTH, mechanism)
        self.assertEqual(self.size(), 0, "an account that has all it should leaves no ticket")
        after = self.store.accounts()[f"alice@{REALM}"]
        self.assertEqual(before["changed"], after["changed"])
        self.assertEqual(before["verifiers"], ["crypt"])
        self.assertNotIn("crypt", after["verifiers"])
        self.assertEqual(server.log(), [l for l in server.log() if "reason=" in l])

    def test_a_hash_of_part_of_the_password(self):
        """What such a hash takes need not be what the owner chose: it stays as it is."""
        # DES of "password1", of which eight characters count; bcrypt of eighty "A", of which 72 do.
        lines = "old:abJnggxhB/yWI:::::::\nlong:$2b$04$abcdefghijklmnopqrstuusBdtCq5VHp1ZWh/QwIMafig7GoIpK9C:::::::\n"
        result = self.store.tool("import", "--format", "shadow", "-u", REALM,
                                 self.file("shadow", lines.encode()))
        self.assertEqual(result.status, 0, result)
        self.upgrade(upgraded=0)
        server = self.server()
        self.assertEqual(server.login("old", "passwordXYZ"), OK)
        self.assertEqual(self.size(), 0)
        # Exactly 72 bytes may be the beginning of the owner's too, whom an upgrade would lock out.
        for password in (72 * "A", 72 * "A" + "zzz"):
            self.assertEqual(server.login("long", password), OK)
            self.upgrade(upgraded=0, refused=1)
            server = self.server()
        for user in ("old", "long"):
            self.assertEqual(self.kinds(user), {"crypt"})
        self.assertEqual(server.login("old", "password1"), OK)
        self.assertEqual(server.login("long", 80 * "A"), OK)

    def test_one_account_leaves_one_ticket(self):
        """However often it logs in, as long as nothing about it changes."""
        self.upgrade()
        server = self.server()
        for _ in range(5):
            self.assertEqual(server.login("alice", "secret"), OK)
        self.assertEqual(self.size(), TICKET)
        self.assertEqual(server.login("bob", "bob's"), OK)
        self.assertEqual(self.size(), 2 * TICKET)
        self.add("alice", "changed")  # which takes what is there
        self.assertEqual(self.size(), 0)
        for _ in range(2):
            self.assertEqual(server.login("alice", "changed"), OK)
        self.assertEqual(self.size(), TICKET)
        self.upgrade(upgraded=1, needless=0)

    def test_what_is_made_is_told_once(self):
        """The first run makes the file and the key."""
        first = self.store.tool("set", "--upgrade")
        self.assertIn(f"Made {self.tickets}: servers".encode(), first.out)
        self.assertIn(f"Made {self.private}, the private key".encode(), first.out)
        again = self.store.tool("set", "--upgrade")
        self.assertTrue(again.out.startswith(b"0 upgraded"), again)
        counts = self.upgrade()
        self.assertEqual((counts["made_ticket_file"], counts["made_ticket_key"]), (False, False))

    def test_refusals_are_named_and_bounded(self):
        """Whose tickets are of no use, and why; not every one of a flood."""
        self.upgrade()
        left = self.leave(("alice", "secret"))
        os.truncate(self.tickets, 0)
        self.add("alice", "changed")
        self.append(left * 12)
        result = self.store.tool("set", "--upgrade")
        self.assertEqual(result.status, 0, result)
        lines = result.err.decode().splitlines()
        self.assertEqual(len(lines), 11, lines)
        for line in lines[:10]:
            self.assertIn(f"the ticket of alice@{REALM} is of no use: wrong password", line)
        self.assertIn("and 2 more tickets of no use", lines[10])
        self.assertIn(b"12 refused", result.out)

    def test_a_damaged_record_does_not_keep_the_file(self):
        """Its ticket helps nobody any more; those of others are taken and the file is emptied."""
        self.upgrade()
        self.leave(("alice", "secret"), ("bob", "bob's"))
        left = toolkit.contents(self.tickets)
        os.truncate(self.tickets, 0)
        moment = 3786912000  # 2090-01-01, in clear in the record's header
        result = self.store.tool("set", "--expires", "2090-01-01", f"alice@{REALM}")
        self.assertEqual(result.status, 0, result)
        data = bytearray(toolkit.contents(self.store.path))
        at = data.find(moment.to_bytes(8, "big"))
        self.assertGreater(at, 0)
        while at >= 0:
            data[at + 8 + 12 + 5] ^= 1  # behind the nonce
            at = data.find(moment.to_bytes(8, "big"), at + 1)
        with open(self.store.path, "r+b") as file:
            file.write(data)
        self.append(left)
        result = self.store.tool("set", "--upgrade", "--json")
        self.assertEqual(result.status, 0, result)
        counts = json.loads(result.out)
        self.assertEqual((counts["upgraded"], counts["damaged"]), (1, 1), counts)
        self.assertTrue(counts["emptied"])
        self.assertIn(f"alice@{REALM}".encode(), result.err)
        self.assertIn(b"sasl-lmdb check", result.err)
        self.assertEqual(self.size(), 0)

    def test_nothing_is_left_without_the_option(self):
        """Off is the default."""
        self.upgrade()
        server = Server(self.store)
        self.addCleanup(server.close)
        self.assertEqual(server.login("alice", "secret"), OK)
        self.assertEqual(self.size(), 0)

    def test_any_verb_that_writes_takes_tickets(self):
        """Also saslpasswd-lmdb; a verb that reads takes none."""
        self.upgrade()
        self.leave(("alice", "secret"))
        self.assertEqual(self.store.tool("check").status, 0)
        self.assertEqual(self.size(), TICKET)
        self.assertEqual(self.store.tool("disable", f"bob@{REALM}").status, 0)
        self.assertEqual(self.size(), 0)
        self.assertIn("SCRAM-SHA-256", self.kinds("alice"))
        self.assertEqual(self.kinds("bob"), {"crypt"})
        self.assertEqual(self.store.tool("enable", f"bob@{REALM}").status, 0)
        self.leave(("bob", "bob's"))
        self.set_password(self.store, f"carol@{REALM}", b"new")
        self.assertIn("SCRAM-SHA-256", self.kinds("bob"))

    def test_the_account_counts_as_it_is_now(self):
        """A new password, a deleted account, one disabled, one that expires."""
        self.add("carol", "carol's")
        self.add("dave", "dave's")
        self.upgrade()
        self.leave(("alice", "secret"), ("bob", "bob's"), ("carol", "carol's"), ("dave", "dave's"))
        left = self.tickets + "-kept"
        shutil.copy(self.tickets, left)
        os.truncate(self.tickets, 0)
        self.add("alice", "changed")
        self.assertEqual(self.store.passwd("-d", f"bob@{REALM}").status, 0)
        self.assertEqual(self.store.tool("disable", f"carol@{REALM}").status, 0)
        result = self.store.tool("set", "--expires", "2090-01-01", f"dave@{REALM}")
        self.assertEqual(result.status, 0, result)
        self.append(toolkit.contents(left))
        self.upgrade(upgraded=2, refused=2, emptied=True)
        self.assertEqual(self.kinds("alice"), {"crypt"})
        self.assertNotIn(f"bob@{REALM}", self.store.accounts())
        carol = self.store.accounts()[f"carol@{REALM}"]
        dave = self.store.accounts()[f"dave@{REALM}"]
        self.assertTrue(carol["disabled"])
        self.assertIn("SCRAM-SHA-256", carol["verifiers"])
        self.assertTrue(dave["expires"].startswith("2090-01-01"), dave)
        # Replayed when all is as it should be: nothing.
        self.append(toolkit.contents(left))
        self.upgrade(upgraded=0, refused=2, needless=2, emptied=True)

    def append(self, data):
        """Puts bytes behind what is in the ticket file."""
        with open(self.tickets, "ab") as file:
            file.write(data)

    def test_dropped_verifiers_stay_dropped(self):
        """Nothing weak comes back; what is stronger does."""
        self.set_password(self.store, f"erin@{REALM}", b"erin's")
        self.upgrade()
        drop = ("set", f"erin@{REALM}", "--drop")
        self.assertEqual(self.store.tool(*drop, "legacy,scram-sha-1").status, 0)
        left = self.kinds("erin")
        self.leave(("erin", "erin's"))
        self.assertEqual(self.size(), 0)
        self.assertEqual(self.kinds("erin"), left)
        self.assertEqual(self.store.tool(*drop, "scram-sha-512").status, 0)
        self.leave(("erin", "erin's"))
        self.assertEqual(self.size(), TICKET)
        self.upgrade(upgraded=1)
        self.assertEqual(self.kinds("erin"), left)

    def test_a_new_key_of_the_store_and_a_backup(self):
        """Tickets left before a rekey, and before a restore, are good after it."""
        self.upgrade()
        self.leave(("alice", "secret"))
        kept = toolkit.contents(self.tickets)
        os.truncate(self.tickets, 0)
        self.assertEqual(self.store.tool("rekey").status, 0)
        backup = os.path.join(self.directory, "backup")
        self.assertEqual(self.store.tool("backup", backup).status, 0)
        self.assertEqual(self.store.tool("restore", backup).status, 0)
        self.append(kept)
        self.upgrade(upgraded=1)
        self.leave(("bob", "bob's"))
        self.upgrade(upgraded=1)

    def test_modes(self):
        """Servers of the group may append and not read; the private key is nobody's else."""
        group = os.getgroups()[0] if os.getgroups() else os.getgid()
        shared = self.new_store("--group", str(group), name="shared.mdb", key="shared-key")
        self.upgrade(store=shared)
        tickets = os.stat(shared.path + "-tickets")
        self.assertEqual(stat.S_IMODE(tickets.st_mode), 0o620)
        self.assertEqual(tickets.st_gid, os.stat(shared.path).st_gid)
        self.assertEqual(stat.S_IMODE(os.stat(shared.key + "-tickets").st_mode), 0o600)
        self.upgrade()
        self.assertEqual(stat.S_IMODE(os.stat(self.tickets).st_mode), 0o600)

    def test_usage(self):
        """--upgrade is about all accounts and nothing else."""
        for more in (["alice"], ["--realm", REALM], ["--drop", "legacy"], ["--expires", "never"]):
            result = self.store.tool("set", "--upgrade", *more)
            self.assert_one_line(result, 2, "--upgrade")


class Hostile(UpgradeTest):
    """Ticket files that somebody else has written."""

    def setUp(self):
        super().setUp()
        self.upgrade()
        self.good = self.leave(("alice", "secret"))
        self.assertEqual(len(self.good), TICKET)

    def put(self, data):
        """Replaces what is in the file."""
        with open(self.tickets, "r+b") as file:
            file.truncate(0)
            file.write(data)

    def test_torn_and_garbage(self):
        """A good ticket is found behind a torn one, a false beginning, zeros and noise."""
        flipped = bytearray(self.good)
        flipped[-1] ^= 1
        header = bytearray(self.good)
        header[20] ^= 1  # store id
        later = bytearray(self.good)
        later[19] = 2  # format
        small = bytearray(self.good)
        small[36:68] = bytes(32)  # a public key of small order
        for before, fakes in (
            (b"", 0),
            (b"\0" * 100, 0),
            (self.good[:700], 1),
            (MAGIC, 1),
            (MAGIC * 3, 3),
            (b"noise sasl-lmdb tick", 0),
            (bytes(flipped), 1),
            (bytes(header), 1),
            (bytes(later), 1),
            (bytes(small), 1),
        ):
            with self.subTest(before=before[:24], n=len(before)):
                self.add("alice", "secret")
                self.put(before + self.good)
                self.upgrade(upgraded=1, unreadable=fakes, emptied=True)
        self.assertEqual(self.size(), 0)

    def test_only_garbage(self):
        """Nothing comes of it, and it goes."""
        for data in (b"x", MAGIC, self.good[:-1], os.urandom(3 * TICKET), b"\0" * TICKET):
            with self.subTest(n=len(data)):
                self.put(data)
                self.upgrade(upgraded=0, emptied=True)
                self.assertEqual(self.size(), 0)
        self.assertEqual(self.kinds("alice"), {"crypt"})

    def test_another_store(self):
        """A ticket for the same name in another store, sealed to the same key even."""
        other = self.new_store(name="other.mdb")
        self.upgrade(store=other)
        path = self.file("shadow", f"alice:{self.hash('secret')}:1::::::\n".encode())
        result = other.tool("import", "--format", "shadow", "-u", REALM, path)
        self.assertEqual(result.status, 0, result)
        with open(other.path + "-tickets", "wb") as file:
            file.write(self.good)
        self.upgrade(store=other, upgraded=0, unreadable=1, emptied=True)

    def test_another_key(self):
        """With a new private key old tickets are void, and new ones are left for it."""
        os.unlink(self.private)
        result = self.store.tool("disable", f"bob@{REALM}")
        self.assertEqual(result.status, 0, result)
        self.assertEqual(self.size(), TICKET, "without the key nothing is touched")
        self.upgrade(upgraded=0, unreadable=1, emptied=True)
        self.leave(("alice", "secret"))
        self.upgrade(upgraded=1)

    def test_lost_tickets_are_left_again(self):
        """A process remembers what it has left, but not beyond its use."""
        self.upgrade(upgraded=1, unreadable=0)
        self.add("carol", "carol's")
        server = self.server()
        for _ in range(2):
            self.assertEqual(server.login("carol", "carol's"), OK)
            self.assertEqual(self.size(), TICKET)
        # Tickets for a key that is there no more, whatever becomes of the file.
        kept = toolkit.contents(self.tickets)
        os.unlink(self.private)
        self.upgrade(upgraded=0, unreadable=1, emptied=True)
        self.put(kept)
        for _ in range(2):
            self.assertEqual(server.login("carol", "carol's"), OK)
            self.assertEqual(self.size(), 2 * TICKET)
        # Somebody empties the file.
        os.truncate(self.tickets, 0)
        for _ in range(2):
            self.assertEqual(server.login("carol", "carol's"), OK)
            self.assertEqual(self.size(), TICKET)
        self.upgrade(upgraded=1, unreadable=0)

    def test_many_for_one_account(self):
        """Duplicates, replays and a flood: one upgrade."""
        self.put(self.good * 4000)
        result = self.store.tool("disable", f"bob@{REALM}")
        self.assertEqual(result.status, 0, result)
        self.assertIn("SCRAM-SHA-256", self.kinds("alice"))
        wiped = toolkit.contents(self.tickets).count(bytes(TICKET))
        self.assertTrue(0 < wiped < 4000, wiped)
        self.upgrade(upgraded=0, needless=4000 - wiped, emptied=True)

    def test_a_verb_takes_only_some(self):
        """Tickets with passwords that are wrong by now cost a hash each: not in passing."""
        self.add("alice", "changed")
        self.put(self.good * 40)
        self.assertEqual(self.store.tool("disable", f"bob@{REALM}").status, 0)
        left = toolkit.contents(self.tickets)
        self.assertEqual(len(left), 40 * TICKET)
        wiped = left.count(bytes(TICKET))
        self.assertTrue(0 < wiped < 40, wiped)
        self.upgrade(refused=40 - wiped, emptied=True)

    def test_huge(self):
        """A file past every size costs neither memory nor the verb its time."""
        with open(self.tickets, "r+b") as file:
            file.truncate(1 << 40)
        self.upgrade(upgraded=1, emptied=True)
        self.assertEqual(self.size(), 0)
        self.put((MAGIC * (CEILING // 16 + 1))[: CEILING + TICKET])
        before = time.monotonic()
        self.assertEqual(self.store.tool("disable", f"bob@{REALM}").status, 0)
        self.assertEqual(self.store.tool("enable", f"bob@{REALM}").status, 0)
        self.assertLess(time.monotonic() - before, toolkit.SECONDS / 4)
        self.upgrade(upgraded=0, emptied=True)
        self.assertEqual(self.size(), 0)

    def test_not_a_file_to_trust(self):
        """A link, a hard link, a FIFO, a directory, a file for all: refused by both sides."""
        target = self.file("target", b"")
        for name, make in (
            ("link", lambda path: os.symlink(target, path)),
            ("hard link", lambda path: os.link(target, path)),
            ("FIFO", lambda path: os.mkfifo(path, 0o600)),
            ("directory", lambda path: os.mkdir(path, 0o700)),
            ("for all", lambda path: os.close(os.open(path, os.O_CREAT, 0o666))),
            ("nothing", lambda path: None),
        ):
            with self.subTest(name):
                if os.path.isdir(self.tickets):
                    os.rmdir(self.tickets)
                elif os.path.lexists(self.tickets):
                    os.unlink(self.tickets)
                make(self.tickets)
                if name == "for all":
                    os.chmod(self.tickets, 0o666)
                server = self.server()
                self.assertEqual(server.login("alice", "secret"), OK)
                self.assertEqual(server.login("alice", "secret"), OK)
                told = [line for line in server.log() if "lmdb_upgrade" in line]
                self.assertEqual(len(told), 1, told)
                self.assertEqual(toolkit.contents(target), b"")
                result = self.store.tool("disable", f"bob@{REALM}")
                self.assertEqual(result.status, 0, result)
                if name != "nothing":
                    self.assert_one_line(self.store.tool("set", "--upgrade"), 3, "-tickets")

    def test_a_private_key_for_all(self):
        """Is not used."""
        os.chmod(self.private, 0o644)
        self.assert_one_line(self.store.tool("set", "--upgrade"), 3, "chmod 0600", self.private)
        self.assertEqual(self.kinds("alice"), {"crypt"})

    def test_full_and_limited(self):
        """At its ceiling, or the process's limit of file size, the file stays as it is."""
        self.put(b"\0" * CEILING)
        server = self.server()
        self.assertEqual(server.login("alice", "secret"), OK)
        self.assertEqual(self.size(), CEILING)
        self.assertIn("lmdb_upgrade", server.log()[-1])
        self.upgrade(upgraded=0, emptied=True)
        self.assertEqual(server.login("alice", "secret"), OK)
        self.assertEqual(self.size(), TICKET, "the same server goes on")

    def test_a_lock_that_is_held(self):
        """Nobody waits for it: logins succeed, tickets are taken, the file is emptied later."""
        server = self.server()
        self.put(self.good)
        with open(self.tickets, "r+b") as holder:
            fcntl.lockf(holder, fcntl.LOCK_EX, 0, 1 << 50)
            self.assertEqual(server.login("alice", "secret"), OK)
            self.assertEqual(self.size(), TICKET)
            self.upgrade(upgraded=1, emptied=False)
        self.assertEqual(toolkit.contents(self.tickets), bytes(TICKET))
        self.upgrade(upgraded=0, emptied=True)
        self.assertEqual(server.log(), [])


class Killed(UpgradeTest):
    """kill -9 at any moment: no ticket is lost before its account is upgraded."""

    def test_kill(self):
        """Again and again, until all are done."""
        users = [(f"user{i}", f"password {i}") for i in range(8)]
        kills = 0
        while kills == 0:  # a process that was quicker than its killer does not count
            self.add_all(*users)
            started = time.monotonic()
            self.upgrade()
            step = (time.monotonic() - started) / 8  # whatever a run takes here and now
            self.leave(*users)
            for attempt in range(40):
                if self.size() == 0:
                    break
                process = subprocess.Popen(
                    self.store.command("set", "--upgrade"),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                time.sleep(step * (attempt % 16))
                process.send_signal(signal.SIGKILL)
                kills += process.wait() != 0
                tickets = toolkit.contents(self.tickets)
                whole = len(tickets) - tickets.count(bytes(TICKET)) * TICKET
                kinds = [account["verifiers"] for name, account in self.store.accounts().items()
                         if name.startswith("user")]
                done = sum("crypt" not in held for held in kinds)
                self.assertGreaterEqual(done + whole // TICKET, len(users))
        self.upgrade()
        server = self.server()
        for user, password in users:
            self.assertEqual(server.login(user, password, "SCRAM-SHA-256"), OK)

    def test_servers_and_tool_at_once(self):
        """Servers leave tickets while the tool takes them; at the end all are upgraded."""
        users = [(f"user{i}", f"password {i}") for i in range(10)]
        self.add_all(*users)
        self.upgrade()
        servers = [self.server(), self.server()]
        for number, (user, password) in enumerate(users):
            self.assertEqual(servers[number % 2].login(user, password), OK)
            if number % 5 == 4:
                process = subprocess.Popen(
                    self.store.command("set", "--upgrade"), stdout=subprocess.DEVNULL
                )
                self.assertEqual(servers[0].login(user, password), OK)
                self.assertEqual(process.wait(timeout=toolkit.SECONDS), 0)
        for user, password in users:  # whose ticket met the emptying leaves another
            self.assertEqual(servers[1].login(user, password), OK)
        counts = self.upgrade(refused=0, unreadable=0)
        self.assertTrue(counts["emptied"])
        for user, password in users:
            self.assertEqual(servers[0].login(user, password, "SCRAM-SHA-256"), OK)


if __name__ == "__main__":
    if not LOGIN:
        toolkit.skip_program("no sasl_login")
    toolkit.main()
