# SPDX-License-Identifier: BSD-2-Clause
"""How far a long run is: on a terminal's standard error, and nowhere else."""

import os
import re

import toolkit

CLOCK = os.environ.get("SASL_LMDB_FAST_CLOCK", "")
REALM = "example.org"
ACCOUNTS = 1200  # backup looks at the clock every thousand accounts
FEW = "few.example"
COUNT = rb"\r\x1b\[K\d+ [a-z ]+, \d+ a second"
LEFT = COUNT + rb", \d+:\d\d:\d\d left"
HASH = b"$6$salt$" + b"x" * 86


class Progress(toolkit.ToolTest):
    """Each verb under a clock by which everything takes longer than a second."""

    def setUp(self):
        super().setUp()
        self.store = self.new_store()
        self.out = os.path.join(self.directory, "out")
        self.users = self.file(
            "users",
            b"".join(b"u%d@example.org:%s\n" % (i, HASH) for i in range(ACCOUNTS))
            + b"".join(b"u%d@few.example:%s\n" % (i, HASH) for i in range(10)),
        )
        self.backup = os.path.join(self.directory, "backup")
        for arguments in (
            ("import", "--format", "htpasswd", self.users),
            ("backup", self.backup),
            ("set", "--upgrade"),
        ):
            result = self.store.tool(*arguments)
            self.assertEqual((result.status, result.err), (0, b""), (arguments, result))

    def verbs(self):
        """Each with the progress it owes to a terminal."""
        return (
            (LEFT, ("import", "--format", "htpasswd", self.users)),
            (LEFT, ("import", "--format", "htpasswd", "--dry-run", self.users)),
            (LEFT, ("import", "--format", "htpasswd", "--replace", self.users)),
            (COUNT, ("import", "--format", "htpasswd", "-")),
            (LEFT, ("export", "--format", "jsonl", "-o", self.out)),
            (LEFT, ("check",)),
            (LEFT, ("backup", self.out)),
            (LEFT, ("restore", self.backup)),
            (LEFT, ("list", "--plain")),
            (COUNT, ("list", "--json", "--realm", REALM)),
            (LEFT, ("set", "--realm", FEW, "--expires", "2099-12-31")),
            (LEFT, ("rekey", "--retire-now")),
            (LEFT, ("set", "--upgrade")),
        )

    def prepare(self):
        """What each run needs anew."""
        if os.path.exists(self.out):
            os.unlink(self.out)
        # What begins like a ticket is looked at, and opens for nobody.
        with open(self.store.path + "-tickets", "ab") as tickets:
            tickets.write(b"sasl-lmdb ticket" * 3 + b"x" * 4096)

    def shell(self, arguments, redirections):
        """The verb in a shell, with the fast clock and its output elsewhere."""
        script = f'export LD_PRELOAD="$0"; exec "$@" {redirections}'
        return ["/bin/sh", "-c", script, CLOCK, *self.store.command(*arguments)]

    def test_on_a_terminal(self):
        for wanted, arguments in self.verbs():
            with self.subTest(arguments=arguments):
                self.prepare()
                terminal = toolkit.Terminal(
                    self.shell(arguments, f"<{self.users} >{self.directory}/stdout")
                )
                self.addCleanup(terminal.close)
                status, said = terminal.finish()
                self.assertEqual(status, 0, said)
                self.assertRegex(said, wanted)
                # The line is gone in the end: what follows starts where it stood.
                last = list(re.finditer(COUNT, said))[-1]
                self.assertIn(b"\r\x1b[K", said[last.end():])
                written = toolkit.contents(os.path.join(self.directory, "stdout"))
                self.assertNotIn(b"a second", written)

    def test_in_a_pipe(self):
        for _, arguments in self.verbs():
            with self.subTest(arguments=arguments):
                self.prepare()
                result = toolkit.run(self.shell(arguments, f"<{self.users}"))
                self.assertEqual((result.status, result.err), (0, b""), result)
                self.assertNotIn(b"a second", result.out)


if __name__ == "__main__":
    if not CLOCK:
        toolkit.skip_program("a sanitized program cannot be given another clock")
    toolkit.main()
