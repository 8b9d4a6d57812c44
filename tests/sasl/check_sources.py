#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules of the source tree that a compiler does not check: which file may include what, functions
nobody here calls, comparisons that must be constant-time, the length of a file."""
import pathlib
import re
import sys

# Each foreign header has its one home.
HOMES = {
    r"<sasl/": r"common/sasl_[a-z_]+\.[ch]|plugins/.*|tools/probe_sasl\.c",
    r"<openssl/": r"common/base/crypto(_x25519)?\.c|tools/probe_tls\.c",
    r"<lmdb\.h>": r"common/store/store_lmdb(_tables)?\.c",
    r"<stringprep\.h>": r"common/engine/identity\.c",
    r"<crypt\.h>": r"common/engine/verifier\.c|tools/crypt_hash\.c",
    r"<jansson\.h>": r"tools/.*",
}
# What a lower layer must not know.
LAYERS = {
    r"common/base/": r'"(engine|store)/|"sasl_',
    r"common/engine/": r'"store/|"sasl_',
    r"common/store/": r'"sasl_',
}
BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strncpy|strncat|strtok|gets|atoi|atol|strtol|strtoul"
    r"|alloca|rand|random|tmpnam|mktemp)\("
)
# Engines compare what a peer sent with crypto_equal() or, for public text, slice_equal().
EARLY_EXIT = re.compile(r"(?<![\w])(memcmp|strcmp|strncmp|bcmp)\(")
LONGEST_FILE = 600


def problems(root):
    seen = 0
    for folder in ("common", "plugins", "tools"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            name = path.relative_to(root).as_posix()
            lines = path.read_text(encoding="utf-8").splitlines()
            seen += 1
            if len(lines) > LONGEST_FILE:
                yield f"{name}: {len(lines)} lines; look for the seam"
            if "SPDX-License-Identifier: BSD-2-Clause" not in lines[0]:
                yield f"{name}:1: no licence line"
            for number, line in enumerate(lines, 1):
                at = f"{name}:{number}: {line.strip()}"
                if re.match(r"\s*#\s*include", line):
                    for header, home in HOMES.items():
                        if re.search(header, line) and not re.fullmatch(home, name):
                            yield f"{at}: belongs in {home} only"
                    for layer, above in LAYERS.items():
                        if name.startswith(layer) and re.search(above, line):
                            yield f"{at}: of a layer above"
                elif BANNED.search(line):
                    yield f"{at}: banned function"
                elif name.startswith("common/engine/") and EARLY_EXIT.search(line):
                    yield f"{at}: compares with an early exit"
    if seen < 30:
        yield f"only {seen} files found under {root}"


def main():
    found = list(problems(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "the source tree keeps its rules")
    sys.exit(1 if found else 0)


main()
