# SPDX-License-Identifier: BSD-2-Clause
"""Options, help and exit codes of sasl-lmdb before any store is touched."""

import os

import toolkit

VERBS = ["init", "list", "show", "verify", "set", "enable", "disable", "import", "export", "check",
         "backup", "restore", "rekey", "doctor", "probe", "help"]


class Usage(toolkit.ToolTest):
    def test_help_lists_every_verb(self):
        for option in ("--help", "-h"):
            result = toolkit.run([toolkit.TOOL, option])
            self.assertEqual((result.status, result.err), (0, b""))
            for verb in VERBS:
                self.assertIn(f"\n  {verb} ".encode(), result.out)

    def test_version(self):
        for program in (toolkit.TOOL, toolkit.PASSWD):
            option = "--version" if program == toolkit.TOOL else "-v"
            result = toolkit.run([program, option])
            self.assertEqual((result.status, result.err), (0, b""))
            self.assertRegex(result.out.decode(), r"^sasl\S+ \d+\.\d+\.\d+\n$")

    def test_help_of_every_verb(self):
        for verb in VERBS:
            for arguments in ([verb, "--help"], [verb, "-h"], ["-f", "/nowhere", verb, "--help"]):
                result = toolkit.run([toolkit.TOOL, *arguments])
                self.assertEqual((result.status, result.err), (0, b""), arguments)
                self.assertTrue(result.out.startswith(f"Usage: sasl-lmdb {verb} ".encode()))
                for line in result.out.decode().splitlines():
                    self.assertLessEqual(len(line), 100, line)

    def test_the_verb_help(self):
        self.assertEqual(toolkit.run([toolkit.TOOL, "help"]).out,
                         toolkit.run([toolkit.TOOL, "--help"]).out)
        for verb in VERBS:
            result = toolkit.run([toolkit.TOOL, "help", verb])
            self.assertEqual((result.status, result.err), (0, b""))
            self.assertEqual(result.out, toolkit.run([toolkit.TOOL, verb, "--help"]).out)

    def test_wrong_usage(self):
        wrong = [
            [],
            ["frobnicate"],
            ["--frobnicate"],
            ["-x", "list"],
            ["-f"],
            ["-k"],
            ["-f", "/nowhere"],
            ["--version=3"],
        ]
        for verb in VERBS:
            wrong += [
                [verb, "--frobnicate"],
                [verb, "-z"],
                [verb, "-f"],
                [verb, "--help=yes"],
                [verb, "one", "two", "three"],
            ]
        wrong += [["help", "frobnicate"], ["help", "show", "list"]]
        wrong += [["show"], ["verify"], ["enable"], ["disable"], ["init", "store"], ["list", "x"]]
        wrong += [["import"], ["import", "file"], ["import", "--format", "xml", "file"]]
        wrong += [["import", "--format", "tsv"], ["import", "--format"]]
        wrong += [["import", "--format", "tsv", "--from-line", n, "x"] for n in ("0", "-1", "1x")]
        wrong += [["import", "--format", "tsv", "-u", "a b", "file"]]
        wrong += [["init", "--iterations", n] for n in ("4095", "0", "-1", "1000001", "1e4", "")]
        wrong += [["init", "--iterations", "99999999999999999999"], ["init", "--iterations", "09999"]]
        wrong += [["init", "--verifiers", v] for v in ("", "plain", "crypt", "cram-md5,", ",", "x")]
        wrong += [["init", "--group", g] for g in ("", "no-such-group-here", "-1", "4294967296")]
        wrong += [["init", "--digest-realm", r] for r in ("", "a b", "a@b", "a\tb", "r" * 256)]
        wrong += [["init"] + [w for n in range(9) for w in ("--digest-realm", f"r{n}.example")]]
        for arguments in wrong:
            result = toolkit.run([toolkit.TOOL, *arguments], cwd=self.directory)
            self.assert_one_line(result, 2)
            self.assertIn(b"--help", result.err, arguments)
            self.assertEqual(result.out, b"", arguments)
        self.assertEqual(os.listdir(self.directory), [])

    def test_an_option_value_is_not_repeated(self):
        result = toolkit.run([toolkit.TOOL, "verify", "--password=Geheim77", "alice"])
        self.assert_one_line(result, 2, "--password", never=[b"Geheim77"])
        result = toolkit.run([toolkit.TOOL, "verify", "alice", "Geheim77"])
        self.assert_one_line(result, 2, never=[b"Geheim77"])

    def test_control_characters_in_arguments_are_escaped(self):
        for text in ("\x1b[2Jx", "a\nsasl-lmdb: all is well", "\x9bK", "\udcff\x07"):
            result = toolkit.run([toolkit.TOOL, text])
            self.assert_one_line(result, 2, "\\x")
            self.assertNotIn("\x9b".encode(), result.err)

    def test_what_turns_text_round_or_is_not_seen_is_escaped(self):
        for text in "\u202e", "\u2028", "\u2029", "\u2066", "\u200b", "\ufeff", "\u00ad", "\U000e0041":
            result = toolkit.run([toolkit.TOOL, f"a{text}b"])
            self.assert_one_line(result, 2, "".join(f"\\x{byte:02x}" for byte in text.encode()))
            self.assertNotIn(text.encode(), result.err)
        result = toolkit.run([toolkit.TOOL, "J\u00f6rg \u0416\u4e2d"])
        self.assert_one_line(result, 2, '"J\u00f6rg \u0416\u4e2d"')

    def test_globals_on_either_side_of_the_verb(self):
        store = self.new_store()
        for command in (
            ["-f", store.path, "-k", store.key, "list"],
            ["list", "-f", store.path, "-k", store.key],
            ["-f", store.path, "list", "-k", store.key],
            ["-f", "/nowhere", "-k", "/nowhere", "list", "-f", store.path, "-k", store.key],
        ):
            result = toolkit.run([toolkit.TOOL, *command])
            self.assertEqual((result.status, result.out, result.err), (0, b"", b""), command)

    def test_lost_output_is_an_error(self):
        store = self.new_store()
        self.set_password(store, "a@example.org", b"secret")
        for arguments in (["list"], ["list", "--json"], ["list", "--plain"], ["--help"]):
            with open("/dev/full", "wb") as full:
                import subprocess

                done = subprocess.run(
                    store.command(*arguments), stdout=full, stderr=subprocess.PIPE, timeout=60
                )
            self.assertEqual(done.returncode, 3, arguments)
            self.assertIn(b"standard output", done.stderr)


if __name__ == "__main__":
    toolkit.main()
