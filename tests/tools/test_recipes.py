#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How images and roles make SASL users today, with one word changed: saslpasswd-lmdb for
saslpasswd2, "sasl-lmdb list --plain" for sasldblistusers2.

Each recipe runs as a script of its kind does, word splitting and all, with the real programs too
where they are installed; accounts, output and exit status have to be the same. The programs stand
in PATH under wrappers that name the store, which a real script leaves to the default.
"""

import os
import socket
import stat

import toolkit

REAL = {"saslpasswd2": "/usr/sbin/saslpasswd2", "sasldblistusers2": "/usr/sbin/sasldblistusers2"}
HOST = socket.gethostname().lower()

# name: script, accounts with their passwords, what it prints (None: whatever the real one does)
RECIPES = {
    # Docker: "user:password,user:password" in a variable, by way of a file.
    "comma-separated users, read by colon": (
        """
        smtp_user=alice:s3cret,bob:other
        echo $smtp_user | tr , \\\\n > passwd
        while IFS=':' read -r _user _pwd; do
            echo $_pwd | saslpasswd2 -p -c -u $maildomain $_user
        done < passwd
        """,
        {"alice@example.org": b"s3cret", "bob@example.org": b"other"},
        b"",
    ),
    # Docker: the realm from the name where it has one.
    "a realm only where the name has none": (
        """
        for entry in $(echo 'user1:pass1,user2@dom.example:pa:ss#2$' | tr , ' '); do
            _user=${entry%%:*}
            _pwd=${entry#*:}
            case $_user in
                *@*) echo "$_pwd" | saslpasswd2 -p -c $_user ;;
                *) echo "$_pwd" | saslpasswd2 -p -c -u $maildomain $_user ;;
            esac
        done
        """,
        {"user1@example.org": b"pass1", "user2@dom.example": b"pa:ss#2$"},
        b"",
    ),
    # Docker, s6: quoted, printf without a newline, and stopped by the first failure.
    "quoted, without a newline, set -e": (
        """
        set -eu
        MAILNAME=mail.example.org
        printf '%s' 'hunter 2' | saslpasswd2 -p -c -u "${MAILNAME}" "web"
        printf '%s' 'changed' | saslpasswd2 -p -c -u "${MAILNAME}" "web"
        sasldblistusers2
        """,
        {"web@mail.example.org": b"changed"},
        b"web@mail.example.org: userPassword\n",
    ),
    # A wrapper around both, with -a, as an entry point calls it.
    "a wrapper with an application name": (
        """
        wrapper() { saslpasswd2 -a postfix "$@"; }
        while read -r name password; do
            echo "$password" | wrapper -p -c -u example.org "$name"
        done <<'END'
client1 secret one
client2 secret two
END
        wrapper -d -u example.org client1
        sasldblistusers2
        """,
        {"client2@example.org": b"secret two"},
        b"client2@example.org: userPassword\n",
    ),
    # Ansible role: only if it is not there yet, looked up with grep.
    "create unless listed": (
        """
        for round in 1 2; do
            if sasldblistusers2 | grep -qx 'ansible@example.org: userPassword'; then
                echo ok
            else
                echo secret | saslpasswd2 -p -c -a smtpd -u example.org ansible && echo changed
            fi
        done
        """,
        {"ansible@example.org": b"secret"},
        b"changed\nok\n",
    ),
    # Ansible module: names cut from the list at "@" and ":"; state=absent.
    "state present, then absent": (
        """
        users() { sasldblistusers2 | sed -n 's/^\\([^@]*\\)@\\([^:]*\\): userPassword$/\\1 \\2/p'; }
        echo one | saslpasswd2 -c -p -u a.example first
        echo two | saslpasswd2 -c -p -u b.example second
        users | sort
        saslpasswd2 -d -u a.example first; echo $?
        saslpasswd2 -d -u a.example first; echo $?
        users
        """,
        {"second@b.example": b"two"},
        b"first a.example\nsecond b.example\n0\n0\nsecond b.example\n",
    ),
    # The host's own name as realm, -c left out.
    "no realm at all": (
        """
        echo secret | saslpasswd2 -p local
        """,
        {f"local@{HOST}": b"secret"},
        b"",
    ),
    # An empty variable for the password is told by the exit status.
    "an empty password": (
        """
        echo "" | saslpasswd2 -p -c -u example.org nopass 2>/dev/null; echo $?
        """,
        {},
        b"7\n",
    ),
}


class Recipes(toolkit.ToolTest):
    """Each in a directory of its own."""

    def program(self, name, command):
        """Puts a wrapper into PATH."""
        path = self.file(os.path.join("bin", name), f'#!/bin/sh\nexec {command} "$@"\n'.encode())
        os.chmod(path, stat.S_IRWXU)

    def play(self, script):
        """Runs a script as an image's entry point is run."""
        env = {"PATH": os.path.join(self.directory, "bin") + ":/usr/bin:/bin", "LC_ALL": "C.UTF-8",
               "maildomain": "example.org"}
        return toolkit.run(["bash", "-c", script], cwd=self.directory, env=env)

    def with_ours(self, store):
        """The script's programs are ours."""
        self.program("saslpasswd-lmdb", f"{toolkit.PASSWD} -f {store.path} -k {store.key}")
        self.program("sasl-lmdb", f"{toolkit.TOOL} -f {store.path} -k {store.key}")

    def test_recipes(self):
        os.mkdir(os.path.join(self.directory, "bin"))
        real = all(os.access(path, os.X_OK) for path in REAL.values())
        for number, (name, (script, accounts, said)) in enumerate(RECIPES.items()):
            with self.subTest(name):
                store = self.new_store(name=f"{number}.mdb", key=f"{number}.key")
                self.with_ours(store)
                ours = self.play(script.replace("saslpasswd2", "saslpasswd-lmdb")
                                 .replace("sasldblistusers2", "sasl-lmdb list --plain"))
                self.assertEqual((ours.status, ours.out, toolkit.without_hints(ours.err)), (0, said, b""))
                listed = [f"{account}: userPassword" for account in accounts]
                self.assertEqual(sorted(store.names()), sorted(listed))
                for account, password in accounts.items():
                    self.assert_verifies(store, account, password)
                    self.assert_verifies(store, account, password + b"x", False)
                if real:
                    database = os.path.join(self.directory, f"{number}.sasldb")
                    for program, path in REAL.items():
                        self.program(program, f"{path} -f {database}")
                    stock = self.play(script)
                    self.assertEqual((stock.status, stock.out), (ours.status, ours.out))

    def test_list_of_nothing(self):
        """A store without accounts prints nothing, and that is no failure."""
        store = self.new_store()
        result = store.tool("list", "--plain")
        self.assertEqual((result.status, result.out, result.err), (0, b"", b""))


if __name__ == "__main__":
    toolkit.main()
