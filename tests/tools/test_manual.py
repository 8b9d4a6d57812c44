# SPDX-License-Identifier: BSD-2-Clause
"""Manual pages and completion name what the programs and plugins have, and are well formed."""

import glob
import os
import re
import shutil
import subprocess
import unittest

import toolkit

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGES = os.path.join(ROOT, "docs", "man")
COMPLETION = os.path.join(ROOT, "packaging", "completion", "sasl-lmdb")


def text(*path):
    """A file of the tree."""
    return toolkit.contents(os.path.join(ROOT, *path)).decode()


def usage(*command):
    """What a program says of itself."""
    result = toolkit.run([*command, "--help"])
    assert result.status == 0, result
    return result.out.decode()


def verbs():
    """The verbs sasl-lmdb lists."""
    listed = usage(toolkit.TOOL).split("Verbs:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in listed.splitlines()]


def options(help_text):
    """The options a usage lists, each line of it that begins with one."""
    found = set()
    for line in help_text.splitlines():
        match = re.match(r" {2,6}((?:--?[a-z][a-z-]*)(?:(?: [A-Z]+)?, --?[a-z][a-z-]*)*)", line)
        if match:
            found.update(re.findall(r"--?[a-z][a-z-]*", match.group(1)))
    return found


def page_options(page):
    """The options a manual page has items for: .Fl u, .Fl Fl json."""
    found = set()
    for line in page.splitlines():
        if line.startswith(".It Fl"):
            for part in line[3:].split(","):
                match = re.match(r"\s*(?:\.It )?Fl (Fl )?([a-z-]+)", part)
                found.add(("--" if match.group(1) else "-") + match.group(2))
    return found


def sections(page):
    """The verbs' parts of sasl-lmdb(8)."""
    parts = re.split(r"^\.Ss ([a-z]+)", page.split(".Sh VERBS")[1].split("\n.Sh ")[0], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


class Manual(unittest.TestCase):
    def test_every_verb_and_option_of_sasl_lmdb(self):
        page = text("docs", "man", "sasl-lmdb.8")
        described = sections(page)
        self.assertEqual(set(described), set(verbs()))
        common = page_options(page.split(".Sh VERBS")[0])
        self.assertEqual(common, options(usage(toolkit.TOOL)) | {"-h", "--help"})
        for verb in verbs():
            said = options(usage(toolkit.TOOL, verb))
            self.assertTrue(said or verb == "help", verb)
            self.assertEqual(page_options(described[verb]), said - {"-f", "-k"}, verb)

    def test_saslpasswd_lmdb(self):
        page = text("docs", "man", "saslpasswd-lmdb.8")
        self.assertEqual(page_options(page), options(usage(toolkit.PASSWD)) | {"-k"})

    def test_formats(self):
        page = text("docs", "man", "sasl-lmdb.5")
        imports, exports = page.split(".Sh FORMATS OF IMPORTS")[1].split(".Sh FORMATS OF EXPORTS")
        for verb, part in (("import", imports), ("export", exports)):
            listed = usage(toolkit.TOOL, verb).split("Formats:\n")[1].split("\n\n")[0]
            formats = re.findall(r"^  ([a-z]+)  ", listed, flags=re.M)
            self.assertEqual(re.findall(r"^\.It Cm ([a-z]+)$", part, flags=re.M), formats)
            line = re.search(r"^\.Ss " + verb + r".*?^One of\n\.Cm (.*?) ;$",
                             text("docs", "man", "sasl-lmdb.8"), flags=re.M | re.S)
            self.assertEqual(line.group(1).split(" , "), formats)

    def test_every_option_of_the_plugins(self):
        page = text("docs", "man", "sasl-lmdb.5").split(".Sh FORMATS")[0]
        described = set(re.findall(r"^\.It Cm ([a-z_]+)", page, flags=re.M))
        read = set()
        for directory in ("common", "plugins"):
            for path in glob.glob(os.path.join(ROOT, directory, "*.c")):
                read.update(re.findall(r'"((?:lmdb|decoy)_[a-z_]+)"', text(path)))
        self.assertTrue(read)
        self.assertEqual(described, read | {"auxprop_plugin"})

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_mandoc(self):
        for path in glob.glob(os.path.join(PAGES, "*.[0-9]")):
            said = toolkit.run(["mandoc", "-T", "lint", path])
            faults = [line for line in (said.out + said.err).decode().splitlines()
                      if "referenced manual not found" not in line and "mandoc.db" not in line]
            self.assertEqual(faults, [])

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_groff(self):
        for path in glob.glob(os.path.join(PAGES, "*.[0-9]")):
            said = toolkit.run(["groff", "-ww", "-z", "-mdoc", path])
            self.assertEqual((said.status, said.err), (0, b""), path)


class Completion(toolkit.ToolTest):
    def complete(self, *words, program="sasl-lmdb", function="_sasl_lmdb"):
        """What bash would offer for the last of the words."""
        script = (
            'source "$1"; shift; function=$1; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            '"$function"; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", script, "bash", COMPLETION, function, program, *words],
            capture_output=True, timeout=toolkit.SECONDS, check=True,
        )
        self.assertEqual(done.stderr, b"", words)
        return set(done.stdout.decode().split())

    def test_verbs(self):
        self.assertEqual(self.complete(""), set(verbs()) | options(usage(toolkit.TOOL)) - {"-h"})
        self.assertEqual(self.complete("-f", "/x", "im"), {"import"})
        self.assertEqual(self.complete("nothing", ""), set())

    def test_options(self):
        for verb in verbs():
            self.assertEqual(self.complete(verb, "-"),
                             options(usage(toolkit.TOOL, verb)) | {"-f", "-k", "--json", "--help"},
                             verb)
        self.assertEqual(self.complete("-k", "key", "import", "--dr"), {"--dry-run"})

    def test_values(self):
        for verb in ("import", "export"):
            listed = usage(toolkit.TOOL, verb).split("Formats:\n")[1].split("\n\n")[0]
            self.assertEqual(self.complete(verb, "--format", ""),
                             set(re.findall(r"^  ([a-z]+)  ", listed, flags=re.M)))
        self.assertEqual(self.complete("set", "--drop", "le"), {"legacy"})
        self.assertEqual(self.complete("set", "--drop", "legacy,cry"), {"legacy,crypt"})
        self.assertEqual(self.complete("init", "--verifiers", "cram-md5,scram-sha-2"),
                         {"cram-md5,scram-sha-256"})
        self.assertEqual(self.complete("probe", "--tls", ""),
                         set(re.search(r"--tls ([a-z|]+)\n", usage(toolkit.TOOL, "probe"))
                             .group(1).split("|")))
        self.assertEqual(self.complete("probe", "--from", ""), set())
        self.assertEqual(self.complete("help", "re"), {"restore", "rekey"})
        self.assertEqual(self.complete("list", "--realm", ""), set())
        self.assertIn("root", self.complete("init", "--group", "ro"))

    def test_words_that_bash_splits(self):
        """It hands --format=s over as three words, and completes what is behind the "="."""
        self.assertEqual(self.complete("export", "--format", "=", "s"), {"sql"})
        self.assertEqual(self.complete("export", "--format", "="),
                         self.complete("export", "--format", ""))
        self.assertEqual(self.complete("-k", "key", "probe", "--tls", "=", "st"), {"starttls"})

    def test_accounts(self):
        """Of the store that the line names; of their names those that a shell takes as they are."""
        store = self.new_store()
        for name in ("alice@example.org", "alan@b.example", "bob@example.org", "al$(id)@example.org",
                     "al bert@example.org", "al;fred@example.org"):
            self.set_password(store, name, b"secret")
        at = ("-f", store.path, "-k", store.key)
        ours = {"program": toolkit.TOOL}
        for verb in ("show", "verify", "set", "enable", "disable"):
            self.assertEqual(self.complete(*at, verb, "al", **ours),
                             {"alice@example.org", "alan@b.example"})
        self.assertEqual(self.complete(*at, "export", "--user", "bo", **ours), {"bob@example.org"})
        self.assertEqual(self.complete(*at, "show", "alice", "@", **ours), {"@example.org"})
        self.assertEqual(self.complete(*at, "show", "alan", "@", "b.", **ours), {"@b.example"})
        self.assertEqual(self.complete(*at, "-d", "alan", "@", "b", program=toolkit.PASSWD,
                                       function="_saslpasswd_lmdb"), {"@b.example"})
        self.assertEqual(self.complete(*at, "backup", "al", **ours), set())
        self.assertEqual(self.complete("-f", store.path, "-k", "/missing", "show", "al", **ours),
                         set())
        os.truncate(store.path, 4 * 1024 * 1024 + 1)  # reading it might take a while
        self.assertEqual(self.complete(*at, "show", "al", **ours), set())

    def test_files(self):
        self.assertIn("/etc/passwd", self.complete("import", "/etc/passw"))
        self.assertIn("/etc/passwd", self.complete("-f", "/etc/passw"))
        self.assertIn("/etc/passwd", self.complete("probe", "--ca", "/etc/passw"))
        self.assertEqual(self.complete("show", "/etc/passw"), set())

    def test_saslpasswd_lmdb(self):
        keywords = {"program": "saslpasswd-lmdb", "function": "_saslpasswd_lmdb"}
        self.assertEqual(self.complete("-", **keywords), options(usage(toolkit.PASSWD)) | {"-k"})
        self.assertIn("/etc/passwd", self.complete("-f", "/etc/passw", **keywords))
        self.assertEqual(self.complete("-u", "", **keywords), set())


if __name__ == "__main__":
    toolkit.main()
