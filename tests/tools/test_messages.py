# SPDX-License-Identifier: BSD-2-Clause
"""What is said when something is wrong, to the letter: the thing, why, and what to do."""

import os
import re
import socket
import subprocess

import toolkit

HOST = socket.gethostname().lower()
SEE = ': see "sasl-lmdb {verb}--help"'
NO_STORE = '("sasl-lmdb init" makes a store, -f names another)'
NO_KEY = "(-k names another; without its key a store cannot be read)"
NOBODY = 65534
NOT_A_REALM = "not a realm: empty, or holds '@', a space or a control character"
FORMATS = "tsv, csv, jsonl, sasldb, dovecot, htpasswd, shadow, ldif"
MISSING = "No such file or directory"

# Arguments of sasl-lmdb in a directory with a store u, its key k, another store's key k2, its
# backup good, an empty file, a text and a directory d; the exit status; the message.
SAID = [
    # The store and its key.
    ("-f none -k k list", 3, f"store none: {MISSING} {NO_STORE}"),
    ("-f none -k k check", 3, f"store none: {MISSING} {NO_STORE}"),
    ("-f none -k k backup new", 3, f"store none: {MISSING} {NO_STORE}"),
    ("-f none -k k rekey", 3, f"store none: {MISSING} {NO_STORE}"),
    ("-f none -k k restore good", 3, f"store none: {MISSING} {NO_STORE}"),
    ("-f none -k k import --format tsv text", 3, f"store none: {MISSING} {NO_STORE}"),
    ("-f none -k k set --upgrade", 3, f"store none: {MISSING} {NO_STORE}"),
    ("-f no/u -k k list", 3, f"store no/u: {MISSING} {NO_STORE}"),
    ("-f text/u -k k list", 3, f"store text/u: Not a directory {NO_STORE}"),
    ("-f d -k k list", 3, "{here}/d is not a store of sasl-lmdb: not a regular file"),
    ("-f empty -k k list", 3, "{here}/empty is not a store of sasl-lmdb: it is empty"),
    ("-f text -k k list", 3, "{here}/text is not a store of sasl-lmdb"),
    ("-f u -k none list", 3, f"key file none: {MISSING} {NO_KEY}"),
    ("-f u -k no/k list", 3, f"key file no/k: {MISSING} {NO_KEY}"),
    ("-f u -k d list", 3, "key file d: not a regular file"),
    ("-f u -k text list", 3, 'key file text, line 1: not "id store-id key"'),
    ("-f u -k open list", 3, "key file open has mode 0644 and group {gid}, so others may read it: "
                             "chmod 0600 open"),
    ("-f u -k k2 list", 3, "store {here}/u (id {id}) wants key 1: it is not in k2"),
    ("-f u -k k2 rekey", 3, "store {here}/u (id {id}) wants key 1: it is not in k2"),
    # Accounts and realms.
    ("show bob@c.example", 1, "bob@c.example: no such user"),
    ("disable -u c.example bob", 1, "bob@c.example: no such user"),
    ("set --drop legacy bob@c.example", 1, "bob@c.example: no such user"),
    ("show carol", 1, "carol@{host}: no such user (the realm is this host's name; USER@REALM "
                      "names another)"),
    ("show bob", 1, "bob@{host}: no such user, but there is bob@a.example: name the realm"),
    ("verify bob", 1, "bob@{host}: no such user, but there is bob@a.example: name the realm"),
    ("enable bob", 1, "bob@{host}: no such user, but there is bob@a.example: name the realm"),
    ("set --expires never bob", 1,
     "bob@{host}: no such user, but there is bob@a.example: name the realm"),
    ("export --format jsonl --user bob", 1,
     "bob@{host}: no such user, but there is bob@a.example: name the realm"),
    ("list --realm c.example", 1, "c.example: no account in this realm"),
    ("set --realm c.example --drop legacy", 1, "c.example: no account in this realm"),
    ("export --format jsonl --realm c.example", 1, "c.example: no account in this realm"),
    ("list --realm a@b", 1, f"--realm: {NOT_A_REALM}"),
    ("show a@b@c", 1, '"a@b@c": a name holds one \'@\' at most'),
    ("show @b", 1, '"@b": the user name is empty'),
    # Files.
    ("backup good", 1, "good exists already; a backup is written to a new file"),
    ("backup d", 1, "d exists already; a backup is written to a new file"),
    ("backup no/b", 3, f"cannot create no/b: {MISSING}"),
    ("restore none", 3, f"none: cannot be opened: {MISSING}"),
    ("restore d", 3, "d: nothing was changed: cannot read the backup: Is a directory"),
    ("restore empty", 1, "empty: nothing was changed: this is no backup of sasl-lmdb"),
    ("restore text", 1, "text: nothing was changed: this is no backup of sasl-lmdb"),
    ("restore u", 1, "u: nothing was changed: this is no backup of sasl-lmdb"),
    ("restore half", 1, "half: nothing was changed: the backup is damaged: it ends too early"),
    ("-f u2 -k k2 restore good", 3,
     "good: nothing was changed: the backup was made under key 1 of the store with id {id}, and k2 "
     "does not have that key: add its line from the key file of that time"),
    ("-f empty -k k restore good", 3,
     "{here}/empty is not a store of sasl-lmdb: it is empty\n"
     "sasl-lmdb: restore: to begin anew from a backup: \"mv -n empty empty.old\", then \"sasl-lmdb "
     "init\" with the --group it had, and \"sasl-lmdb restore FILE\"; the key file stays"),
    ("-f text -k k check", 1,
     "{here}/text is not a store of sasl-lmdb\n"
     "sasl-lmdb: check: to begin anew from a backup: \"mv -n text text.old\", then \"sasl-lmdb init\" "
     "with the --group it had, and \"sasl-lmdb restore FILE\"; the key file stays"),
    ("import --format sasldb readable", 1,
     "readable: neither a sasldb nor what db_dump or gdbm_dump make of one"),
    ("import --format tsv none", 3, f"none: cannot be opened: {MISSING}"),
    ("import --format sasldb none", 3, f"none: cannot be opened: {MISSING}"),
    ("import --format csv d", 3, "d: cannot be read: Is a directory"),
    ("import --format sasldb d", 3, "d: cannot be read: Is a directory"),
    ("import --format tsv --strict d", 3, "d: cannot be read: Is a directory"),
    ("import --format csv empty", 1,
     "empty: no header: line 1 has to name the columns user, realm and password"),
    ("import --format sasldb text", 1,
     "text: neither a sasldb nor what db_dump or gdbm_dump make of one"),
    ("import --format tsv --replace empty", 1, "empty holds no account: nothing was replaced"),
    ("export --format jsonl -o good", 1, "good exists already; accounts are written to a new file"),
    ("export --format jsonl -o d", 1, "d exists already; accounts are written to a new file"),
    ("export --format jsonl -o no/e", 3, f"cannot create no/e: {MISSING}"),
    ("-f u -k k3 init", 1, "u exists already; init makes a new one (-f names it). \"mv -n u "
                           "u.old && mv -n u-lock u.old-lock\" puts this one aside"),
    ("-f d -k k3 init", 1, "d exists already; init makes a new one (-f names it). \"mv -n d "
                           "d.old\" puts this one aside"),
    ("-f lone -k k3 init", 1, "lone-lock exists already; init makes a new one (-f names it). \"mv "
                              "-n lone-lock lone.old-lock\" puts this one aside"),
    ("-f no/u -k k3 init", 3, f"directory no: {MISSING} (make the directory first)"),
    ("-f u3 -k no/k init", 3,
     f"directory of the key file no: {MISSING} (make the directory first)"),
    ("-f u3 -k d init", 3, "key file d: not a regular file"),
    # Usage.
    ("", 2, "no verb is given" + SEE),
    ("frobnicate", 2, '"frobnicate" is not a verb' + SEE),
    ("delete bob", 2, '"delete" is not a verb (saslpasswd-lmdb makes and deletes accounts, and sets '
                      'passwords)' + SEE),
    ("--frobnicate", 2, "--frobnicate is not an option of this command" + SEE),
    ("list --frobnicate", 2, "--frobnicate is not an option of this command" + SEE),
    ("list --realm", 2, "--realm needs a value" + SEE),
    ("list a.example", 2, "takes no arguments (a realm goes behind --realm)" + SEE),
    ("show", 2, "takes one argument, USER or USER@REALM" + SEE),
    ("show a b", 2, "takes one argument, USER or USER@REALM" + SEE),
    ("verify a b", 2, "takes one argument, USER or USER@REALM; the password is asked for" + SEE),
    ("set bob", 2, "nothing to set: give --drop, --expires or --upgrade" + SEE),
    ("set --drop legacy", 2, "takes either one USER or --realm" + SEE),
    ("set --drop md5 bob", 2, '--drop: "md5" is not a verifier' + SEE),
    ("set --expires 2026-02-30 bob", 2,
     "--expires takes 2026-12-31, 2026-12-31T18:00:00Z or never" + SEE),
    ("set --upgrade bob", 2, "--upgrade is about no account in particular" + SEE),
    ("import text", 2, "--format is missing" + SEE),
    ("import --format xml text", 2, f'--format: "xml" is not one of {FORMATS}' + SEE),
    ("import --format tsv", 2, 'takes one FILE, or "-" for standard input' + SEE),
    ("import --format tsv --from-line 0 text", 2, "--from-line takes a number from 1 on" + SEE),
    ("import --format tsv --replace --from-line 2 text", 2,
     "--replace takes the whole input: not with --from-line" + SEE),
    ("export", 2, "--format is missing" + SEE),
    ("export --format xml", 2, '--format: "xml" is not one of jsonl, dovecot, ldif, sql' + SEE),
    ("export --format ldif", 2, "--base is missing: the entry that the accounts go under" + SEE),
    ("export --format jsonl --user a --realm b", 2, "--user and --realm exclude each other" + SEE),
    ("export --format jsonl --legacy", 2,
     "--legacy says which secrets; it goes with --with-secrets" + SEE),
    ("backup", 2, 'takes one FILE, or "-" for standard output' + SEE),
    ("restore", 2, 'takes one FILE, or "-" for standard input' + SEE),
    ("rekey --prepare --retire", 2,
     "--prepare, --retire and --retire-now exclude each other" + SEE),
    ("init --iterations 1", 2, "--iterations takes a number from 4096 to 1000000" + SEE),
    ("init --verifiers md5", 2, '--verifiers: "md5" is not a kind of verifier' + SEE),
    ("init --group no-such-group", 2, '--group: there is no group "no-such-group"' + SEE),
    ("init --owner no-such-user", 2, '--owner: there is no user "no-such-user"' + SEE),
    ("init --digest-realm a@b", 2, f"--digest-realm: {NOT_A_REALM}" + SEE),
    ("init store", 2, "takes no arguments" + SEE),
    ("doctor a/b", 2, '"a/b" is not a service\'s name' + SEE),
    ("doctor --root none", 3, f"none: {MISSING}"),
    ("probe --tls ssl h", 2, '--tls takes auto, none, starttls or implicit, not "ssl"' + SEE),
    ("probe --timeout 0 h", 2, '--timeout takes seconds, 1 to 3600, not "0"' + SEE),
    ("probe --from a<b h", 2, '--from takes an address, not "a<b"' + SEE),
    ("probe --ca none h", 3, f"trusted certificates: none: {MISSING}"),
    ("probe --ca text h", 3, "trusted certificates: text: no certificate or crl found"),
    ("probe h:99999", 2, '"h:99999" is not HOST or HOST:PORT' + SEE),
    ("probe", 2, "takes HOST[:PORT] and perhaps USER; the password is asked for" + SEE),
]

# The same of saslpasswd-lmdb, with what it reads.
PASSWD = [
    ("-f none -k k -p a@b", b"pw", 1, f"store none: {MISSING} {NO_STORE}"),
    ("-f u -k none -p a@b", b"pw", 1, f"key file none: {MISSING} {NO_KEY}"),
    ("-p a@b", b"", 7, "the password is empty"),
    ("-p a@b", b"a\0b", 7, "a@b: the password holds a NUL byte"),
    ("-p a@b", b"\xff", 7, "a@b: the password is not UTF-8"),
    ("-p a@b", b"x" * 1025, 7, "password: too long: 1024 bytes at most"),
    ("-p a@b", b"one\ntwo\n", 7,
     "password: standard input holds more than one line; a password is one line"),
    ("-d bob", b"", 0, f"bob@{HOST}: no such user, but there is bob@a.example: name the realm"),
    ("-d bob@c.example", b"", 0, "bob@c.example: no such user"),
    ("-p -u c.example bob@a.example", b"pw", 0,
     "note: -u c.example does not count: the name says bob@a.example"),
    ("-p a@b@c", b"pw", 7, '"a@b@c": a name holds one \'@\' at most'),
]


class Messages(toolkit.ToolTest):
    def setUp(self):
        super().setUp()
        self.directory = os.path.realpath(self.directory)
        self.store = self.new_store(name="u", key="k")
        self.new_store(name="u2", key="k2")
        for name in ("bob@a.example", "alice@a.example"):
            self.set_password(self.store, name, b"secret")
        self.assertEqual(self.store.tool("backup", self.path("good")).status, 0)
        self.file("half", toolkit.contents(self.path("good"))[:-100])
        self.file("empty", b"")
        self.file("text", b"text\n")
        self.file("open", toolkit.contents(self.store.key), mode=0o644)
        self.file("readable", b"root:x:0:0:root:/root:/bin/bash\n", mode=0o644)
        self.file("lone-lock", b"")
        os.mkdir(self.path("d"))
        self.fields = {
            "here": self.directory,
            "host": HOST,
            "gid": os.stat(self.path("open")).st_gid,
            "id": toolkit.contents(self.store.key).split()[1].decode(),
        }

    def path(self, name):
        return os.path.join(self.directory, name)

    def said(self, program, words, stdin=b"", **keywords):
        """The exit status and what a program says in this directory, on its store."""
        if "-f" not in words:
            words = ["-f", "u", "-k", "k", *words]
        result = toolkit.run([program, *words], stdin, cwd=self.directory, **keywords)
        self.assertEqual(result.out, b"", words)
        return result.status, result.err.decode()

    def test_sasl_lmdb(self):
        for line, status, message in SAID:
            words = line.split()
            verb = (words[4:] if "-f" in words else words + [""])[0]
            if "frobnicate" in verb or verb == "delete":
                verb = ""
            expected = f"sasl-lmdb: {verb}: {message}\n" if verb else f"sasl-lmdb: {message}\n"
            expected = expected.format(**self.fields, verb=verb + " " if verb else "")
            with self.subTest(line):
                self.assertEqual(self.said(toolkit.TOOL, words), (status, expected))

    def test_saslpasswd_lmdb(self):
        for line, stdin, status, message in PASSWD:
            with self.subTest(line):
                self.assertEqual(self.said(toolkit.PASSWD, line.split(), stdin),
                                 (status, f"saslpasswd-lmdb: {message}\n"))

    def test_what_puts_a_store_aside(self):
        """The commands, as a shell reads them; none for a name that it cannot be given."""
        for name, quoted in (("it's; touch x", True), ("$(touch x)", True), ("a b", True),
                             ("-x", False), ("a\nb", False), ("y" * 200, True),
                             ("d/" + "./" * 300 + "z", False)):
            with self.subTest(name):
                for path in (name, name + "-lock"):
                    self.file(path, b"text\n")
                for verb, status, message in (("check", 1, r'backup: "(.*)", then "sasl-lmdb init"'),
                                              ("init", 1, r'\. "(.*)" puts this one aside$')):
                    code, said = self.said(toolkit.TOOL, ["-f", name, "-k", "k", verb])
                    found = re.search(message, said)
                    self.assertEqual((code, bool(found)), (status, quoted), said)
                    if verb == "check" and not quoted:
                        self.assertIn("backup: put this one aside, then", said)
                    if quoted:
                        done = toolkit.run(["sh", "-c", found[1]], cwd=self.directory)
                        self.assertEqual((done.status, done.err), (0, b""), found[1])
                        for to, back in ((".old", ""), (".old-lock", "-lock")):
                            os.rename(self.path(name + to), self.path(name + back))
        self.assertFalse(os.path.exists(self.path("x")))

    def test_commands_of_messages_hold_no_name_for_a_shell(self):
        """Nor one of a file where others could put a link, or a command that was cut."""
        self.assertEqual(self.store.tool("set", "--upgrade").status, 0)
        os.mkdir(self.path("shared"), 0o777)
        os.chmod(self.path("shared"), 0o777)
        for name, plain in (("p", True), ("p;touch PWNED $(id)", False), ("-p", False),
                            ("shared/p", False), ("d/" + "./" * 100 + "p", False)):
            for suffix in ("", "-lock", "-tickets"):
                self.file(name + suffix, toolkit.contents(self.path("u" + suffix)))
                self.file(name + "k" + suffix, b"" if suffix == "-lock" else
                          toolkit.contents(self.path("k" + suffix)))
            for path, verb, command in ((name + "k", ["show", "bob"], "chmod 0600"),
                                        (name + "k-lock", ["rekey"], "rm"),
                                        (name + "-tickets", ["set", "--upgrade"], "chmod o=")):
                with self.subTest(path):
                    os.chmod(self.path(path), 0o644)
                    words = ["-f", name, "-k", name + "k"]
                    result = toolkit.run([toolkit.TOOL, *words, *verb], cwd=self.directory)
                    self.assertIn(" has mode 0644", result.err.decode())
                    self.assertEqual(f": {command} {path}".encode() in result.err, plain, result)
                    self.assertEqual(f": {command} ".encode() in result.err, plain, result)
                    os.chmod(self.path(path), 0o600)

    def test_what_was_put_aside_before_stays(self):
        """Each store goes to a name of its own; a command that is run again overwrites none."""
        command = "true"
        self.file("once.old3-lock", b"of another\n")
        for n, to in enumerate(("once.old", "once.old2", "once.old4")):
            for path in ("once", "once-lock"):
                self.file(path, f"text {n}\n".encode())
            toolkit.run(["sh", "-c", command], cwd=self.directory)
            said = self.said(toolkit.TOOL, ["-f", "once", "-k", "k", "check"])[1]
            command = re.search('"(mv .*)", then', said)[1]
            self.assertEqual(command, f"mv -n once {to} && mv -n once-lock {to}-lock")
            done = toolkit.run(["sh", "-c", command], cwd=self.directory)
            self.assertEqual((done.status, done.err), (0, b""))
        for n, to in enumerate(("once.old", "once.old2", "once.old4")):
            self.assertEqual(toolkit.contents(self.path(to)), f"text {n}\n".encode())

    def test_empty_names_of_files(self):
        for words, message in (
            (["backup", ""], "FILE is empty"),
            (["restore", ""], "FILE is empty"),
            (["import", "--format", "tsv", ""], "FILE is empty"),
            (["export", "--format", "jsonl", "-o", ""], "-o: FILE is empty"),
        ):
            expected = f'sasl-lmdb: {words[0]}: {message}: see "sasl-lmdb {words[0]} --help"\n'
            self.assertEqual(self.said(toolkit.TOOL, words), (2, expected))

    def told(self, *words, stdin=b""):
        """The exit status, the output and the messages of a verb on the store."""
        result = toolkit.run([toolkit.TOOL, "-f", "u", "-k", "k", *words], stdin,
                             cwd=self.directory)
        return result.status, result.out.decode(), result.err.decode()

    def test_skipped_accounts_are_named(self):
        lines = b"carl\tr.example\t\xff\nno-realm\t\tpw\n"
        status, _, said = self.told("import", "--format", "tsv", "-", stdin=lines)
        self.assertEqual((status, said), (
            1, "sasl-lmdb: import: line 1: carl@r.example: the password is not UTF-8; set one with "
               "saslpasswd-lmdb\n"
               "sasl-lmdb: import: line 2: the realm is missing (-u REALM names that of names "
               "without one)\n"))
        status, _, said = self.told("import", "--format", "shadow", "-u", "r.example", "-",
                                    stdin=b"root:!:1:0:9:7:::\n")
        self.assertEqual((status, said), (
            0, "sasl-lmdb: import: line 1: root@r.example: the account is locked: its hash begins "
               "with \"!\"\n"
               "sasl-lmdb: import: note: nothing is taken of locked accounts: saslpasswd-lmdb -c "
               "gives one that is to log in a password; one that the store has already stays as it "
               "is there, and \"sasl-lmdb disable\" keeps it out\n"))

    def test_an_input_without_accounts(self):
        self.assertEqual(
            self.told("import", "--format", "csv", "-", stdin=b"user,realm,password\n"),
            (0, "imported 0 accounts: 0 new, 0 replaced; 0 lines skipped\n",
             "sasl-lmdb: import: note: there is no account in the input\n"))

    def test_a_sasldb_gives_old_passwords_back(self):
        text = (b"VERSION=3\nformat=print\ntype=hash\nHEADER=END\n"
                b" bob\\00a.example\\00userPassword\n old\n"
                b" new\\00a.example\\00userPassword\n old\nDATA=END\n")
        for options, words in ((["--dry-run"], "holds already: 1; they would get"),
                               ([], "held already: 1; they got"), (["--replace"], None)):
            status, _, said = self.told("import", "--format", "sasldb", *options, "-", stdin=text)
            self.assertEqual((status, said), (
                0, f"sasl-lmdb: import: note: accounts of the file that the store {words} back the "
                   "password they have in the file\n" if words else ""))

    def test_what_dropping_means(self):
        said = ("sasl-lmdb: set: note: logins by mechanisms whose verifier is gone fail "
                "(no-verifier): take what nobody can use any more out of mech_list\n"
                "sasl-lmdb: set: note: without a checkpass verifier sasl_checkpass() fails, and "
                "with it Cyrus IMAP's LOGIN command\n")
        drop = ("set", "--drop", "legacy", "bob@a.example")
        self.assertEqual(self.told(*drop), (0, "1 changed, 0 as wanted already\n", said))
        self.assertEqual(self.told(*drop), (0, "0 changed, 1 as wanted already\n", ""))

    def test_a_dovecot_file_for_nobody(self):
        status, out, said = self.told("export", "--format", "dovecot", "--user", "bob@a.example")
        self.assertEqual((status, out, said), (
            0, "bob@a.example:{CRYPT}*::::::\n",
            "sasl-lmdb: export: note: without --with-secrets nobody can log in with this file\n"))

    def test_a_retired_key(self):
        status, out, said = self.told("rekey", "--retire-now")
        self.assertEqual((status, said), (0, ""))
        self.assertTrue(out.endswith(
            "Servers that opened the store before and cannot read the key file again answer 454\n"
            "until they are restarted (Postfix, in a jail or not: \"postfix reload\").\n"), out)

    def test_a_damaged_record(self):
        good = toolkit.contents(self.path("u"))
        head = b"\1\0\0\0\0\0\0\1"  # version, flags, reserved, key id; also in pages that are free
        at = good.find(head)
        while self.told("list")[0] == 0 or "description" in self.told("list")[2]:
            self.assertGreaterEqual(at, 0)
            bad = bytearray(good)
            bad[at + 50] ^= 4
            with open(self.path("u"), "r+b") as file:
                file.write(bad)
            at = good.find(head, at + 1)
        for words, became in ((["list"], "not in the list"),
                              (["export", "--format", "jsonl"], "not exported"),
                              (["set", "--expires", "never", "--realm", "a.example"],
                               "not changed")):
            status, _, said = self.told(*words)
            said = said.replace(f"sasl-lmdb: {words[0]}: ", "")
            self.assertEqual((status, said), (3, (
                "alice@a.example: its record is damaged: its seal does not open\n"
                f"1 of 2 accounts cannot be read and is {became}: one with a name can be deleted "
                "(saslpasswd-lmdb -d) and made again, \"sasl-lmdb restore\" brings back all as "
                "they were at a backup\n")))

    def test_namesakes_are_named_up_to_three(self):
        for realm in "bcde":
            self.set_password(self.store, f"alice@{realm}.example", b"secret")
        status, said = self.said(toolkit.TOOL, ["show", "alice"])
        self.assertEqual(status, 1)
        self.assertRegex(said, rf"^sasl-lmdb: show: alice@{HOST}: no such user, but there is "
                               r"(alice@[a-e]\.example, ){3}\.\.\.: name the realm\n$")

    def test_full(self):
        """Whatever can be written to /dev/full."""
        for words in (["backup", "-"], ["export", "--format", "jsonl"], ["list"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(self.store.command(*words), stdout=full,
                                      stderr=subprocess.PIPE, timeout=toolkit.SECONDS, check=False)
            what = "standard output: " + ("cannot write the backup: " if "-" in words else "")
            self.assertEqual((done.returncode, done.stderr.decode()),
                             (3, f"sasl-lmdb: {words[0]}: {what}No space left on device\n"))

    def test_somebody_else(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        os.chmod(self.directory, 0o755)
        who = f"user {NOBODY}, group {NOBODY}"
        denied = f"store {self.directory}/u: access denied to {who} (it has mode 0600, owner 0, " \
                 "group 0); run this as root"
        nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for words, message in (
            (["list"], denied),
            (["check"], denied),
            (["rekey"], denied),
            (["disable", "bob@a.example"], denied),
            (["restore", "good"], "good: cannot be opened: Permission denied"),
            (["backup", "b"], f"cannot create b: user {NOBODY} may not make files in its "
                              "directory"),
            (["export", "--format", "jsonl", "-o", "e"],
             f"cannot create e: user {NOBODY} may not make files in its directory"),
            (["-f", "u4", "-k", "k4", "init"],
             f"directory .: access denied to {who} (it has mode 0755, owner 0, group 0); run this "
             "as root"),
        ):
            verb = words[4] if words[0] == "-f" else words[0]
            self.assertEqual(self.said(toolkit.TOOL, words, **nobody),
                             (3, f"sasl-lmdb: {verb}: {message}\n"))
        self.assertEqual(self.said(toolkit.PASSWD, ["-p", "a@b"], b"pw", **nobody),
                         (1, f"saslpasswd-lmdb: {denied}\n"))


if __name__ == "__main__":
    toolkit.main()
