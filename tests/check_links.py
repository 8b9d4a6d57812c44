#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every link of the Markdown files named, or below the folders named, that leads to a file has to
lead to one that is there. Links within a page and to other hosts are not looked at."""
import pathlib
import re
import sys

# [text](target), ![text](target), [label]: target
LINKS = re.compile(r"\]\(\s*<?([^)>\s]+)|^\s*\[[^\]]+\]:\s+<?([^>\s]+)", re.M)
CODE = re.compile(r"^```.*?^```|^(?: {4}|\t)[^\n]*|`[^`\n]*`", re.M | re.S)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#", re.I)


def pages(arguments):
    for argument in map(pathlib.Path, arguments):
        yield from [argument] if argument.is_file() else sorted(argument.rglob("*.md"))


def main():
    broken, seen = [], 0
    for page in pages(sys.argv[1:]):
        for link in LINKS.finditer(CODE.sub("", page.read_text(encoding="utf-8"))):
            target = (link[1] or link[2]).split("#")[0]
            if not ELSEWHERE.match(link[1] or link[2]):
                seen += 1
                if not (page.parent / target).exists():
                    broken.append(f"{page}: {target} is not there")
    print("\n".join(broken) or f"{seen} links lead somewhere")
    sys.exit(1 if broken or seen == 0 else 0)


main()
