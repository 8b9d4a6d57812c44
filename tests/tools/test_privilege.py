# SPDX-License-Identifier: BSD-2-Clause
"""The tools as root on other people's stores, and as other people on root's stores."""

import contextlib
import fcntl
import mmap
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

import toolkit

NOBODY = 65534
NAME = "alice@example.org"
PASSWORD = b"secret"
# Bytes into LMDB's lock file: where glibc keeps who holds the writers' mutex, and the two pointers
# by which a robust mutex, the readers' and the writers', is in a list of its thread's.
WRITERS_MUTEX = 64
MUTEX_POINTERS = (32, 88)
SECONDS = 30


def status_of(pid, field):
    """A line of /proc/PID/status as words."""
    text = toolkit.contents(f"/proc/{pid}/status").decode()
    return re.search(rf"^{field}:\s*(.*)$", text, re.M).group(1).split()


class Privilege(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o755)
        self.store = self.new_store()
        self.set_password(self.store, NAME, PASSWORD)

    def give_away(self, *paths, uid=NOBODY, gid=NOBODY):
        for path in paths:
            os.chown(path, uid, gid)

    def give_store_away(self, **owner):
        self.give_away(
            self.directory, self.store.path, self.store.lock, self.store.key, **owner
        )

    def assert_confined(self, pid, root):
        """Whoever is not root any more, and may be taken over, types nothing into root's terminal."""
        own = {field: status_of("self", field) for field in ("NoNewPrivs", "Seccomp")}
        if root:
            wanted = own
        elif platform.machine() in ("x86_64", "aarch64"):
            wanted = {"NoNewPrivs": ["1"], "Seccomp": ["2"]}
        else:
            return
        self.assertEqual({field: status_of(pid, field) for field in own}, wanted)

    def identity_while_asking(self, command):
        """User and group ids of a program that waits for a password."""
        terminal = toolkit.Terminal(command)
        self.addCleanup(terminal.close)
        terminal.expect("Password: ")
        found = {field: status_of(terminal.pid, field) for field in ("Uid", "Gid", "Groups")}
        limits = toolkit.contents(f"/proc/{terminal.pid}/limits").decode()
        self.assertRegex(limits, r"Max core file size\s+0\s+0\s")
        self.assert_confined(terminal.pid, found["Uid"] == ["0"] * 4)
        terminal.send(b"\x03")
        terminal.finish()
        return found

    def commands(self):
        return (self.store.command("verify", NAME), self.store.passwd_command(NAME))

    def test_a_key_put_in_place_before_init(self):
        """As for a restore on another machine: whose it is stays so, unless he gets the store."""
        self.assertEqual(self.store.tool("backup", os.path.join(self.directory, "b")).status, 0)
        os.chmod(self.directory, 0o755)
        for uid in (0, 1, NOBODY):
            with self.subTest(uid):
                other = toolkit.Store(self.directory, f"other{uid}.mdb", f"other{uid}.key")
                shutil.copy(self.store.key, other.key)
                os.chmod(other.key, 0o600)
                os.chown(other.key, uid, 0)
                result = other.tool("init", "--owner", "nobody", "--iterations", "4096")
                self.assertEqual(os.stat(other.key).st_uid, uid)
                if uid == NOBODY:
                    self.assertEqual(result.status, 0, result)
                    result = other.tool("restore", os.path.join(self.directory, "b"))
                    self.assertEqual(result.status, 0, result)
                    continue
                if uid == 0:
                    self.assert_one_line(result, 1, f"{other.key} holds keys of other stores",
                                         "-k", "chown")
                else:
                    self.assert_one_line(result, 1, "belong to nobody",
                                         f"{other.key}: access denied to user {NOBODY}")
                self.assertFalse(os.path.exists(other.path))
                self.assertEqual(toolkit.contents(other.key), toolkit.contents(self.store.key))

    def test_a_key_of_somebody_else_that_the_owner_s_group_reads(self):
        """The owner has it by his group, whether it is open to that already or init opens it."""
        for mode in (0o640, 0o600):
            other = toolkit.Store(self.directory, f"other{mode}.mdb", f"other{mode}.key")
            shutil.copy(self.store.key, other.key)
            os.chmod(other.key, mode)
            os.chown(other.key, 1, NOBODY)
            result = other.tool("init", "--owner", "nobody", "--group", str(NOBODY))
            self.assertEqual(result.status, 0, result)
            self.assertEqual(other.names(), [])

    def test_init_where_its_owner_gets_nowhere(self):
        """Nothing is made: root's tools would become somebody who cannot open it."""
        closed = os.path.join(self.directory, "closed")
        inside = os.path.join(closed, "inside")
        os.makedirs(inside)
        os.chmod(closed, 0o700)
        link = os.path.join(self.directory, "link")
        os.symlink(inside, link)
        for store, key in ((inside, self.directory), (self.directory, inside), (closed, closed),
                           (link, link)):
            other = toolkit.Store(store, "new.mdb")
            other.key = os.path.join(key, "new.key")
            before = [sorted(os.listdir(path)) for path in (self.directory, closed, inside)]
            result = other.tool("init", "--owner", "nobody")
            self.assert_one_line(result, 1, "belong to nobody", f"user {NOBODY}", closed,
                                 "choose another place (-f, -k), or --owner root")
            self.assertEqual(
                [sorted(os.listdir(path)) for path in (self.directory, closed, inside)], before)
            self.assertEqual(other.tool("init", "--owner", "root").status, 0)
            self.assertEqual(other.names(), [])
            for path in (other.path, other.lock, other.key):
                os.unlink(path)

    def test_root_becomes_the_owner(self):
        self.give_store_away()
        for command in self.commands():
            found = self.identity_while_asking(command)
            self.assertEqual(
                found,
                {
                    "Uid": [str(NOBODY)] * 4,
                    "Gid": [str(NOBODY)] * 4,
                    "Groups": [str(NOBODY)],
                },
            )
        self.assertEqual(self.store.names(), [f"{NAME}: userPassword"])
        self.set_password(self.store, NAME, b"other")
        self.assert_verifies(self.store, NAME, b"other")
        for path in (self.store.path, self.store.lock):
            self.assertEqual(os.stat(path).st_uid, NOBODY)

    @contextlib.contextmanager
    def hostile_owner(self, at, data):
        """A process of the store's owner that has been taken over. It holds the lock that a reader
        holds, else LMDB would begin the file anew, and writes into the file again and again."""
        ready, said = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                with open(self.store.lock, "r+b") as file:
                    fcntl.lockf(file, fcntl.LOCK_SH, 1)
                    with mmap.mmap(file.fileno(), 0) as memory:
                        memory[at : at + len(data)] = data
                        os.write(said, b"x")
                        while os.getppid() == parent:
                            memory[at : at + len(data)] = data
            finally:
                os._exit(1)
        try:
            os.close(said)
            self.assertEqual(os.read(ready, 1), b"x")
            yield
        finally:
            os.close(ready)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_root_never_touches_a_hostile_lock_file(self):
        """Whoever owns the store can make a tool hang or crash that root starts on it: but not as
        root, since the tool is somebody else before it maps the lock file."""
        self.give_store_away()
        # A mutex that is held, by init, for ever: the tool waits, and can be looked at.
        with self.hostile_owner(WRITERS_MUTEX, struct.pack("<I", 1)), subprocess.Popen(
            self.store.command("disable", NAME), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            deadline = time.monotonic() + SECONDS
            mapped = False
            try:
                while process.poll() is None and not mapped and time.monotonic() < deadline:
                    maps = toolkit.contents(f"/proc/{process.pid}/maps")
                    mapped = self.store.lock.encode() in maps
                if mapped:
                    self.assertEqual(status_of(process.pid, "Uid"), [str(NOBODY)] * 4)
                    self.assertEqual(status_of(process.pid, "Gid"), [str(NOBODY)] * 4)
                    self.assertEqual(status_of(process.pid, "CapEff"), ["0" * 16])
                    self.assertIsNone(process.poll())
            finally:
                process.kill()
                said = process.communicate()
            self.assertTrue(mapped, (process.returncode, said))

    def test_whoever_maps_the_lock_file_is_not_root(self):
        """Every verb that opens the store, beside an owner who has glibc follow pointers of his."""
        who_opens = os.environ.get("SASL_LMDB_WHO_OPENS", "")
        if who_opens == "":
            self.skipTest("a sanitized program refuses a library that is loaded before its own")
        self.give_store_away()
        backup = os.path.join(self.directory, "backup")
        self.assertEqual(self.store.tool("backup", backup).status, 0)
        more = self.file("more.tsv", b"bob\texample.org\tsecret\n")
        commands = (
            self.store.command("disable", NAME),
            self.store.command("enable", NAME),
            self.store.command("list"),
            self.store.command("show", NAME),
            self.store.command("verify", NAME),
            self.store.command("check"),
            self.store.command("export", "--format", "jsonl"),
            self.store.command("set", "--upgrade"),
            self.store.command("import", "--format", "tsv", more),
            self.store.command("import", "--replace", "--format", "tsv", more),
            self.store.command("backup", os.path.join(self.directory, "other")),
            self.store.command("restore", backup),
            self.store.command("rekey", "--retire-now"),
            self.store.passwd_command("-p", "-c", NAME),
            self.store.passwd_command("-d", NAME),
        )
        nobody = str(NOBODY).encode()
        environment = dict(os.environ, LD_PRELOAD=who_opens, WHO_OPENS_TEXT="not looked for")
        for at in (None, *MUTEX_POINTERS):
            for command in commands:
                with contextlib.ExitStack() as stack:
                    if at is not None:
                        stack.enter_context(self.hostile_owner(at, b"\x41" * 16))
                    tool = stack.enter_context(subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE, env=environment))
                    killer = threading.Timer(SECONDS if at is None else 1, tool.kill)
                    killer.start()
                    opened = re.findall(rb"^uid (\d+) gid (\d+) lock 1", tool.stderr.read(), re.M)
                    tool.wait()
                    killer.cancel()
                self.assertLessEqual(set(opened), {(nobody, nobody)}, (at, command))
                # Where nobody attacks, nothing keeps it from getting so far.
                self.assertTrue(opened or at is not None, command)

    def test_a_missing_lock_file_in_a_directory_of_root_s(self):
        """Its owner may make no file there: root does, before it is the owner."""
        for group_may, mode in ((False, 0o600), (True, 0o660)):
            self.give_away(self.store.path, self.store.key)
            os.chmod(self.store.path, 0o640 if group_may else 0o600)
            os.unlink(self.store.lock)
            result = self.store.tool("enable", NAME)
            self.assertEqual(result.status, 0, result)
            st = os.stat(self.store.lock)
            self.assertEqual((st.st_uid, st.st_mode & 0o7777), (NOBODY, mode))
            self.assertEqual(st.st_gid == NOBODY, group_may)

    def test_root_makes_no_lock_file_in_a_directory_that_others_change(self):
        self.give_away(self.store.path, self.store.key)
        os.chmod(self.directory, 0o777)
        os.unlink(self.store.lock)
        self.assertEqual(self.store.tool("enable", NAME).status, 0)
        self.assertEqual(os.stat(self.store.lock).st_gid, NOBODY)  # the owner's doing

    def test_root_s_group_is_not_kept(self):
        self.give_store_away(gid=0)
        found = self.identity_while_asking(self.commands()[0])
        self.assertEqual(found["Uid"], [str(NOBODY)] * 4)
        self.assertNotIn("0", found["Gid"] + found["Groups"])

    def test_root_s_store_stays_root_s(self):
        for command in self.commands():
            found = self.identity_while_asking(command)
            self.assertEqual(found["Uid"], ["0"] * 4)

    def test_a_lock_file_of_somebody_else(self):
        self.give_away(self.store.lock)
        for command, status in (
            (self.store.command("list"), 3),
            (self.store.passwd_command("-d", NAME), 1),
        ):
            result = toolkit.run(command)
            self.assertEqual(result.status, status, result)
        self.give_away(self.store.lock, uid=0, gid=0)
        self.assertEqual(self.store.names(), [f"{NAME}: userPassword"])

    def test_a_link_of_somebody_else(self):
        directory = os.path.join(self.directory, "theirs")
        os.mkdir(directory)
        os.symlink(self.store.path, os.path.join(directory, "users.mdb"))
        os.chown(os.path.join(directory, "users.mdb"), NOBODY, NOBODY, follow_symlinks=False)
        linked = toolkit.Store(directory)
        linked.key = self.store.key
        result = linked.tool("list")
        self.assert_one_line(result, 3, "list")

    def test_a_link_of_somebody_else_chooses_no_group(self):
        self.give_store_away()
        target = os.path.join(self.directory, "others")
        os.rename(self.store.path, target)
        os.chown(target, 1, 42)  # a user and a group that the link's owner has nothing to do with
        os.chmod(target, 0o666)
        os.rename(self.store.lock, target + "-lock")
        os.symlink(target, self.store.path)
        os.chown(self.store.path, NOBODY, NOBODY, follow_symlinks=False)
        found = self.identity_while_asking(self.commands()[0])
        self.assertEqual(found["Uid"], [str(NOBODY)] * 4)
        self.assertEqual(found["Gid"], [str(NOBODY)] * 4)
        self.assertNotIn("42", found["Groups"])

    def test_the_ticket_file_gets_no_group_from_behind_a_link(self):
        """Under the store's name, it would make the tools take on that group."""
        tickets = self.store.path + "-tickets"
        self.give_store_away(gid=42)
        os.chmod(self.store.path, 0o640)
        os.chmod(self.store.lock, 0o660)
        self.assertEqual(self.store.tool("set", "--upgrade").status, 0)
        self.assertEqual((os.stat(tickets).st_uid, os.stat(tickets).st_gid), (NOBODY, 42))
        self.assertEqual(os.stat(tickets).st_mode & 0o7777, 0o620)
        os.unlink(tickets)
        target = self.file("shadow", b"root:x\n")
        os.chown(target, 0, 42)
        os.chmod(target, 0o640)
        # A link, and the file itself, put there by the directory's owner.
        for make in (os.symlink, os.link):
            os.unlink(self.store.path)
            make(target, self.store.path)
            if make is os.symlink:
                os.chown(self.store.path, NOBODY, NOBODY, follow_symlinks=False)
            self.assertNotEqual(self.store.tool("set", "--upgrade").status, 0)
            found = os.stat(tickets)
            self.assertEqual(found.st_uid, NOBODY)
            self.assertNotEqual(found.st_gid, 42)
            self.assertEqual(found.st_mode & 0o7777, 0o600)
            os.unlink(tickets)

    def test_a_key_that_root_alone_can_read(self):
        """The command that mends it, where the store lies in a directory of root's."""
        self.give_store_away()
        self.give_away(self.store.key, uid=0, gid=0)
        result = self.store.tool("list")
        self.assert_one_line(result, 3, "list", self.store.key)
        self.assertNotIn(b"chown", result.err)
        self.give_away(self.directory, uid=0, gid=0)
        for mode, key_mode in ((0o640, "0640"), (0o600, "0600")):
            self.give_away(self.store.key, uid=0, gid=0)
            os.chmod(self.store.key, 0o600)
            os.chmod(self.store.path, mode)
            os.chmod(self.store.lock, mode | (mode & 0o60) >> 1)
            command = (f"chown -h {NOBODY}:{NOBODY} {self.store.key} && "
                       f"chmod {key_mode} {self.store.key}")
            result = self.store.tool("list")
            self.assert_one_line(result, 3, "who has to have access: " + command)
            result = self.store.passwd("-d", NAME)
            self.assert_one_line(result, 1, command, program="saslpasswd-lmdb")
            self.assertEqual(toolkit.run(["/bin/sh", "-c", command]).status, 0)
            self.assertEqual(self.store.tool("check").err, b"")

    def test_an_import_file_that_root_alone_can_read(self):
        self.give_store_away()
        path = self.file("users.tsv", b"bob\texample.org\tsecret\n")
        result = self.store.tool("import", "--format", "tsv", path)
        self.assertEqual((result.status, result.err), (0, b""), result)
        self.assert_verifies(self.store, "bob@example.org", b"secret")

    def test_somebody_else_on_root_s_store(self):
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for arguments in (["list"], ["show", NAME], ["verify", NAME], ["disable", NAME]):
            result = self.store.tool(*arguments, stdin=PASSWORD, **other)
            self.assert_one_line(result, 3, arguments[0])
        result = self.store.passwd("-p", NAME, stdin=b"x", **other)
        self.assert_one_line(result, 1, program="saslpasswd-lmdb")
        self.assert_verifies(self.store, NAME, PASSWORD)

    def test_a_directory_of_somebody_else(self):
        """He could exchange root's files for his own between two looks."""
        self.give_away(self.directory)
        self.assert_one_line(self.store.tool("list"), 3, f"access denied to user {NOBODY}",
                             "the directory's")
        other = toolkit.Store(self.directory, "new.mdb", "new.key")
        before = sorted(os.listdir(self.directory))
        self.assert_one_line(other.tool("list"), 3, f"store {other.path}: No such file")
        self.assert_one_line(other.tool("init"), 1, f"user {NOBODY}'s", "give it to root")
        self.assertEqual(sorted(os.listdir(self.directory)), before)

    def test_init_in_a_directory_that_cannot_be_written(self):
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        store = toolkit.Store(self.directory, "new.mdb", "new.key")
        before = sorted(os.listdir(self.directory))
        result = store.tool("init", **other)
        self.assert_one_line(result, 3, "init", self.directory)
        self.assertEqual(sorted(os.listdir(self.directory)), before)

    def test_init_where_only_the_key_cannot_be_written(self):
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        theirs = os.path.join(self.directory, "theirs")
        os.mkdir(theirs)
        os.chown(theirs, NOBODY, NOBODY)
        store = toolkit.Store(theirs)
        store.key = os.path.join(self.directory, "new.key")
        result = store.tool("init", **other)
        self.assert_one_line(result, 3, "init")
        self.assertEqual(os.listdir(theirs), [])

    def test_a_group_that_one_is_not_in(self):
        other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        theirs = os.path.join(self.directory, "theirs")
        os.mkdir(theirs)
        os.chown(theirs, NOBODY, NOBODY)
        result = toolkit.Store(theirs).tool("init", "--group", "1", **other)
        self.assert_one_line(result, 3, "init")
        self.assertEqual(os.listdir(theirs), [])

    def test_readers_of_the_group(self):
        theirs = os.path.join(self.directory, "theirs")
        os.mkdir(theirs)
        store = toolkit.Store(theirs)
        self.assertEqual(store.tool("init", "--group", str(NOBODY)).status, 0)
        self.set_password(store, NAME, PASSWORD)
        os.chmod(theirs, 0o755)
        reader = {"user": NOBODY - 1, "group": NOBODY, "extra_groups": []}
        result = store.tool("list", "--plain", **reader)
        self.assertEqual((result.status, result.err), (0, b""), result)
        result = store.tool("verify", NAME, stdin=PASSWORD, **reader)
        self.assertEqual(result.status, 0, result)
        result = store.tool("disable", NAME, **reader)
        self.assert_one_line(result, 3, "disable")
        stranger = {"user": NOBODY - 1, "group": NOBODY - 1, "extra_groups": []}
        self.assert_one_line(store.tool("list", **stranger), 3, "list")


if __name__ == "__main__":
    if os.geteuid() != 0:
        toolkit.skip_program("only root can become somebody else")
    # After setuid() nobody may look into the process, not even the sanitizers' leak checker.
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    probe = toolkit.run(
        ["/usr/bin/test", "-x", toolkit.TOOL], user=NOBODY, group=NOBODY, extra_groups=[]
    )
    if probe.status != 0:
        toolkit.skip_program(f"{toolkit.TOOL} is out of reach for other users")
    toolkit.main()
