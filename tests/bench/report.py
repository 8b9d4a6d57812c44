# SPDX-License-Identifier: BSD-2-Clause
"""The figures of a bench as tables (Markdown, which a terminal shows well enough) and a chart."""

BAR = 14  # pixels
WIDTH = 760
LABEL = 250
COLOURS = {"ours": "#2b6cb0", "stock": "#c05621", "stored": "#dd6b20", "floor": "#718096"}
DERIVING = "SCRAM-SHA-256, the client deriving"  # between the server's two steps


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def rows_of(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def exchanges(result):
    lines = ["", "## One exchange, start-up", "",
             "Microseconds of the server's processor, median of the rounds. *floor*: the framework",
             "with an auxprop plugin that answers from a constant.", ""]
    rows = []
    for mech, row in result.items():
        if "raw" in row or mech == DERIVING:
            continue
        ratio = row["ours"] / row["stock"]
        rows.append([mech] + [number(row[c]) if c in row else "" for c in ("ours", "stock", "floor")]
                    + [f"1/{1 / ratio:.1f}" if ratio < 1 else f"{ratio:.2f}"])
    lines += rows_of(["", "ours", "stock, sasldb", "floor", "ours/stock"], rows)
    ours, stored = (result["SCRAM-SHA-1"][name] for name in ("ours", "stored"))
    lines += ["", f"* SCRAM-SHA-1, stock, its verifier stored instead of the password: {number(stored)}, "
                  f"ours 1/{stored / ours:.1f}",
              "* SCRAM-SHA-256, ours, when milliseconds of a client's PBKDF2 on the same processor come "
              f"in between: {number(result[DERIVING]['ours'])}"]
    for name, row in result.items():
        if "raw" in row:
            lines.append(f"* one {name}: {number(row['raw'])}")
    derive = result["PBKDF2 sha-256 10000"]["raw"]
    for mech in ("PLAIN", "LOGIN"):
        lines.append(f"* {mech} to that of SHA-256: {result[mech]['ours'] / derive:.3f}")
    return lines


def group(digits):
    return f"{int(digits):,}".replace(",", " ")


def sizes(result):
    lines = ["", "## Among many accounts", "",
             "Microseconds of a whole exchange, warm: the process has looked up the same accounts before.",
             "*At first*: it has not, so that among many each lookup is of a part of the file that is in",
             "the kernel's memory but not mapped yet.", ""]
    stores = result["stores"]
    rows = [[mech] + [number(row[n]) for n in stores] +
            [f"{row[list(stores)[-1]] / row[list(stores)[0]]:.2f}"]
            for mech, row in result["exchanges"].items()]
    lines += rows_of([""] + [group(n) for n in stores] + ["last/first"], rows)
    lines += ["", "What is done to so many; the import is of jsonl, with --replace. Memory of a server's",
              "process after 20 000 logins: most of what is resident is the file's, shared by all.", ""]
    kinds = (("import, s", "import", 1), ("list, s", "list", 1), ("check, s", "check", 1),
             ("backup, s", "backup", 1), ("file, MiB", "bytes", 2**20),
             ("resident, MiB", "resident_kb", 2**10), ("of these private, MiB", "private_kb", 2**10))
    rows = [[name] + [f"{store[key] / unit:.1f}" for store in stores.values()]
            for name, key, unit in kinds]
    return lines + rows_of([""] + [group(n) for n in stores], rows)


def memory(result):
    rows = [[name, str(row["resident_kb"]), str(row["private_kb"])] for name, row in result.items()]
    return ["", "## Memory of a process", "", "KiB after a few logins with CRAM-MD5.", "",
            *rows_of(["", "resident", "of these private"], rows)]


def imports(result):
    rows = []
    for name, row in result.items():
        share = f"{100 * row['pbkdf2_share']:.0f} % of all processors" if "pbkdf2_share" in row else ""
        rows.append([name, str(row["accounts"]), number(row["seconds"]),
                     number(1e6 * row["seconds"] / row["accounts"]),
                     number(1e6 * row["cpu_seconds"] / row["accounts"]), share])
    return ["", "## Import", "", "Into an empty store; with --replace in place of its one account.",
            "",
            *rows_of(["", "accounts", "seconds", "us each", "CPU us each", "in PBKDF2"], rows)]


def smtpd(result):
    rows = [[name, number(value)] for name, value in result.items()]
    return ["", "## smtpd", "",
            "Microseconds of smtpd's processor for a session through Postfix: connect, EHLO, AUTH,",
            "QUIT; the kinds take turns, median of nine.", "", *rows_of(["", "us"], rows)]


PARTS = {"exchanges": exchanges, "sizes": sizes, "memory": memory, "imports": imports,
         "smtpd": smtpd}


def tables(figures):
    lines = []
    for name, show in PARTS.items():
        if name in figures:
            lines += show(figures[name])
    return "\n".join(lines).strip() + "\n"


NOTES = """
## What bounds what

* PLAIN and LOGIN derive a key with PBKDF2 for each login, on purpose; the stock plugins compare clear
  passwords.
* CRAM-MD5 and DIGEST-MD5 cost what the framework costs: they are at its floor.
* A lookup asks the kernel twice (fstat, of the file and of its lock file), some 1.2 us: a file cut
  short would otherwise be a fault in the server. Nothing cheaper was found that protects as well:
  lseek() tells a size in a third of the time, but moves the offset of whatever file has that
  descriptor by now if the server has closed ours.
* Import of ready verifiers: the lines are parsed and the records sealed by all processors, one thread
  writes. With --replace what is sealed is gathered and written in the order of the keys, each page
  once for every 256 MiB. Without, each batch of 8192 accounts is a transaction that stands, and since
  keys are keyed hashes nearly each account lies in a page of its own: 4 KiB written for each, at
  the pace of the disk. Of the processors' time for JSON with all verifiers the parser (jansson)
  takes half, some 140 instructions a byte. Only two things made it faster: blocks of memory of its
  own for each thread, and lines that leave out what goes without saying. So a million accounts in
  ten seconds is a matter of the format.
* Import of passwords: 98.7 % of the program's instructions are PBKDF2's (callgrind). It is compared
  with a PBKDF2 that all processors are at, since one alone may be faster; on a machine with other
  work the figure says little.
* SCRAM: nearly half of an exchange is cryptography (four HMACs, two digests, the seal) and the two
  calls of the kernel. Where a client works for milliseconds on the same processor between the server's
  two steps, it takes some times as long: the rest is the processor's caches.
* Among more accounts an exchange costs more because what it reads is no longer in the processor's
  caches.
* smtpd: a message in each direction costs it more than any mechanism here does; SCRAM takes one more
  than CRAM-MD5, as many as LOGIN.
"""


def markdown(figures):
    machine = figures["machine"]
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([
        "# Figures",
        "",
        "Made by one command (see HACKING.md, \"Measuring\"); they differ from machine to machine, the",
        "ratios less so. All sets of plugins are measured in turn in one run.",
        "",
        f"Machine: {about}.",
        "",
        "![CPU of one exchange](bench.svg)",
        "",
        tables(figures) + NOTES])


def bars(figures):
    """(label, set, microseconds) of everything in the chart."""
    for mech, row in figures["exchanges"].items():
        for name in COLOURS:
            if name in row and mech != "start":
                yield f"{mech}, {name}", name, row[name]


def svg(figures):
    """Horizontal bars on a logarithmic scale, a decade for each grid line."""
    import math

    found = list(bars(figures))
    decades = math.ceil(math.log10(max(value for _, _, value in found)))
    scale = (WIDTH - LABEL - 80) / decades
    height = len(found) * (BAR + 4) + 50
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
           'font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
           '<text x="8" y="16" font-size="13">Server CPU of one exchange, microseconds '
           '(logarithmic)</text>']
    for decade in range(decades + 1):
        x = LABEL + decade * scale
        out.append(f'<line x1="{x:.0f}" y1="26" x2="{x:.0f}" y2="{height - 18}" stroke="#e2e8f0"/>')
        out.append(f'<text x="{x:.0f}" y="{height - 5}" text-anchor="middle">{10 ** decade}</text>')
    for i, (label, name, value) in enumerate(found):
        y = 30 + i * (BAR + 4)
        width = max(1.0, math.log10(max(value, 1.0)) * scale)
        out.append(f'<text x="{LABEL - 6}" y="{y + 11}" text-anchor="end">{label}</text>')
        out.append(f'<rect x="{LABEL}" y="{y}" width="{width:.0f}" height="{BAR}" '
                   f'fill="{COLOURS[name]}"/>')
        out.append(f'<text x="{LABEL + width + 5:.0f}" y="{y + 11}">{number(value)}</text>')
    return "\n".join(out + ["</svg>", ""])
