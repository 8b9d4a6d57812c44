#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the corpora of the fuzz targets, tests/fuzz/corpus/TARGET/, from the cases in vectors/ (and
the files in tests/tools/samples): valid ones first, then invalid ones from all over the file, at most
LIMIT for a target. A corpus is
replaced; what is to stay in it beside the cases has a name that does not begin with "case-"."""
import base64
import hashlib
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent.parent / "vectors"
SAMPLES = HERE.parent / "tools" / "samples"
LIMIT = 32  # files of a target
STUMBLING = 6  # more files of a protocol target
LONGEST = 1500  # bytes of a file
SEPARATOR = b"\xff\n"

# enum fuzz_flag, enum fuzz_choice in fuzz.h
ABSENT, BINDING, PLUS, LAYERS, RC4, MIN_SSF, OWN_NONCE, HESITATE = (1 << i for i in range(8))
HASHES = {"SCRAM-SHA-256": 0, "SCRAM-SHA-1": 1, "SCRAM-SHA-512": 2}
IMAP, AUTHZID = 4, 8
# formats[] in fuzz_import.c
FORMATS = ("tsv", "csv", "jsonl", "dovecot", "htpasswd", "shadow", "ldif", "sasldb")
NO_DEFAULT_REALM = 0x80


def decode(text):
    """A value in the form of vectors/README.md; None for none."""
    if text == "(none)":
        return None
    if text.startswith("hex:"):
        return bytes.fromhex(text[4:])

    def escape(match):
        if match[0] == b"\\\\":
            return b"\\"
        if match[2]:
            return bytes.fromhex(match[2].decode()) * int(match[1])
        return bytes.fromhex(match[3].decode())

    return re.sub(
        rb"\\\\|\\\{(\d+)\*([0-9a-f]{2})\}|\\x([0-9a-f]{2})", escape, text.encode("utf-8")
    )


def cases(name):
    """Each case as a list of (key, raw value), the defaults of the head after its own."""
    head = None
    for block in re.split(r"\n\s*\n", (VECTORS / name).read_text(encoding="utf-8")):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        fields = [tuple(part.strip(" \t") for part in line.split("=", 1)) for line in lines]
        if not fields:
            continue
        if head is None:
            head = fields
        else:
            yield fields + [field for field in head if field[0] not in dict(fields)]


def value(case, key, fallback=None):
    return dict(reversed(case)).get(key, fallback)


def dialogue(case, side):
    """The input of a protocol target: the messages of the peer, `side`."""
    messages = [decode(text) for key, text in case if key == side]
    flags = 0
    if messages and messages[0] is None:
        flags |= ABSENT
        messages = messages[1:]
    if value(case, "binding"):
        flags |= BINDING
    if value(case, "plus") == "1" or value(case, "binding-use") == "used":
        flags |= PLUS
    if int(value(case, "max-ssf", "0")) > 0:
        flags |= RC4 if value(case, "rc4") == "1" else LAYERS
    if int(value(case, "min-ssf", "0")) > 0:
        flags |= MIN_SSF
    choice = HASHES.get(value(case, "mechanism"), 0)
    choice |= IMAP if value(case, "service") == "imap" else 0
    choice |= AUTHZID if value(case, "authzid") else 0
    return bytes([flags, choice]) + SEPARATOR.join(message or b"" for message in messages)


def stumbling(case, side):
    """The same with a message that is none before the last one, which must come too late."""
    whole = dialogue(case, side)
    flags, messages = whole[:2], whole[2:].split(SEPARATOR)
    return flags + SEPARATOR.join(messages[:-1] + [b"\0?"] + messages[-1:])


def packets(case):
    """
    The input of digest_layer: options, pieces, which bit to flip, the packets of the case. By turns
    they are read with the key that made them and with another, and pieces and bit go through all.
    """
    number = int(value(case, "tcId"))
    options = 8 * (number % 2) | (1 if value(case, "rc4") == "1" else 0)
    options |= 2 if value(case, "from") == "client" else 0
    stream = b"".join(decode(text) or b"" for key, text in case if key == "P")
    return struct.pack(">BBH", options, number % 7, 37 * number) + stream


def text_of(*functions):
    def make(case):
        if value(case, "function") not in functions:
            return None
        if value(case, "function") == "match":
            strings = [decode(value(case, key, "")) for key in ("username", "realm", "text")]
            return b"\0\0" + SEPARATOR.join(string or b"" for string in strings)
        return decode(value(case, "input", value(case, "text", "(none)")))

    return make


def entry(kind, content):
    return struct.pack(">BH", kind, len(content)) + content


def choose(files):
    """name, valid, bytes: at most LIMIT of them, half of them valid where there are so many."""
    seen, valid, invalid = set(), [], []
    for name, is_valid, content in files:
        digest = hashlib.sha256(content).digest()
        if len(content) <= LONGEST and digest not in seen:
            seen.add(digest)
            (valid if is_valid else invalid).append((name, content))
    valid = spread(valid, max(LIMIT // 2, LIMIT - len(invalid)))
    return valid + spread(invalid, LIMIT - len(valid))


def spread(items, n):
    step = max(1.0, len(items) / n)
    return [items[int(i * step)] for i in range(min(n, len(items)))]


def from_vectors(names, make):
    for name in names:
        for case in cases(name + ".txt"):
            content = make(case)
            if content is not None:
                file = f"case-{name}-{value(case, 'tcId')}"
                yield file, value(case, "result") == "valid", content


def messages_of(names, side):
    for name in names:
        for case in cases(name + ".txt"):
            for i, text in enumerate(text for key, text in case if key == side):
                if decode(text):
                    file = f"case-{name}-{value(case, 'tcId')}-{side}{i}"
                    yield file, value(case, "result") == "valid", decode(text)


def records():
    """Accounts as common/store/record.c lays them out; see enum item there."""
    user, realm = entry(0x01, b"alice"), entry(0x02, b"example.org")
    scram = b"".join(
        entry(0x10, bytes([slot]) + struct.pack(">I", 4096) + bytes([16]) + bytes(16 + 2 * size))
        for slot, size in ((0, 20), (1, 32), (2, 64))
    )
    yield "case-names", True, user + realm
    yield "case-scram", True, user + realm + scram
    yield "case-cram", True, user + realm + entry(0x11, bytes(32))
    yield "case-checkpass", True, user + realm + entry(0x12, b"0123456789abcdef\0" + bytes(16))
    yield "case-crypt", True, user + realm + entry(0x15, b"$y$j9T$abc")
    yield "case-digest", True, user + realm + entry(0x13, bytes(3) + bytes(16))
    yield "case-extra", True, user + realm + entry(0x14, b"mail.example.org")
    yield "case-later", True, user + realm + entry(0x80, b"skipped")
    yield "case-unknown", False, user + realm + entry(0x7F, b"not skipped")
    yield "case-short", False, user + realm[:-1]
    yield "case-twice", False, user + user + realm


def key_files():
    key = base64.b64encode(bytes(range(32))).decode()
    line = f"1 {'00112233445566778899aabbccddeeff'} {key}\n"
    yield "case-one", True, line.encode()
    yield "case-two", True, (line + line.replace("1 ", "2 ", 1)).encode()
    yield "case-comment", True, ("# a comment\n\n" + line.rstrip()).encode()
    yield "case-twice", False, (line + line).encode()
    yield "case-zero", False, line.replace("1 ", "0 ", 1).encode()
    yield "case-upper", False, line.upper().encode()
    yield "case-short", False, line[:-3].encode()
    yield "case-empty", True, b"\n"


def sealed_tickets():
    """What a ticket seals; see common/store/ticket.h."""

    def text(*fields):
        return b"".join(struct.pack(">H", len(field)) + field for field in fields)

    yield "case-ticket", True, text(b"alice", b"example.org", b"secret")
    yield "case-longest", True, text(b"u" * 255, b"r" * 255, b"p" * 512)
    yield "case-magic", False, b"sasl-lmdb ticket" + struct.pack(">I", 1) + bytes([7]) * 16
    yield "case-at", False, text(b"al@ice", b"example.org", b"secret")
    yield "case-upper", False, text(b"alice", b"EXAMPLE.org", b"secret")
    yield "case-nul", False, text(b"alice", b"example.org", b"se\0cret")
    yield "case-empty", False, text(b"alice", b"example.org", b"")
    yield "case-beyond", False, text(b"alice", b"example.org") + b"\xff\xff"


def descriptions():
    """What the description of a store seals; see enum item in common/store/store_meta.c."""
    must = (
        entry(0x01, struct.pack(">II", 0x33, 10000)) + entry(0x03, bytes(32)) + entry(0x04, bytes(8))
    )
    group = entry(0x06, struct.pack(">QIBIBIB", 3, 4096, 16, 10000, 16, 0, 0))
    yield "case-least", True, must
    yield "case-all", True, must + entry(0x02, b"mail.example.org") + entry(5, bytes(4)) + group
    yield "case-ticket-key", True, must + entry(0x81, bytes(32)) + entry(0x82, b"skipped")
    yield "case-classes", False, must + group + group
    yield "case-twice", False, must + must
    yield "case-unknown", False, must + entry(0x7F, b"")
    yield "case-short", False, must[:-1]


def page_changes():
    """Changes to a sound file of 4096-byte pages: in both head pages, then in a page of its own."""

    def change(offset, content):
        return struct.pack(">IB", offset, len(content)) + content

    yield "case-sound", True, change(16, b"")
    for name, offset, content in (
        ("magic", 16, bytes(4)),
        ("last", 136, b"\xff\xff"),
        ("depth", 46, b"\x10"),
        ("free-root", 80, b"\x02\0\0\0\0\0\0\0"),
        ("names-root", 128, b"\x03\0\0\0\0\0\0\0"),
    ):
        yield f"case-{name}", False, change(offset, content) + change(4096 + offset, content)
    for page in (2, 3, 5, 9):
        yield f"case-flags-{page}", False, change(4096 * page + 10, b"\x01")
        yield f"case-bounds-{page}", False, change(4096 * page + 12, b"\xfe\x0f\xfe\x0f")
        yield f"case-nodes-{page}", False, change(4096 * page + 16, b"\xf8\x0f" * 8)


def imports():
    for file in sorted(SAMPLES.iterdir()):
        name = next(f for f in FORMATS if f in (file.suffix.strip("."), file.name.split(".")[0]))
        yield f"case-{name}", True, bytes([FORMATS.index(name)]) + file.read_bytes()[: LONGEST - 1]
    jsonl = (
        '{"user":"a","realm":"example.org","password":"secret"}',
        '{"user":"a@b.example","disabled":true,"created":"2026-11-24T15:56:02Z","changed":null,'
        f'"expires":null,"cmusaslsecretCRAM-MD5":"{"A" * 43}=","cmusaslsecretDIGEST-MD5":[{{"realm":"","full_name":false,'
        f'"latin1":false,"ha1":"{"0" * 32}"}}]}}',
        '{"user":"a","user":"b","realm":"x"}',
        '{"user":[[[[[["\\ud800"]]]]]]}',
    )
    for i, line in enumerate(jsonl):
        yield f"case-jsonl-{i}", i < 2, bytes([FORMATS.index("jsonl")]) + line.encode() + b"\n"
    crlf = b"alice\texample.org\tsecret\r\nbob\texample.org\tsecret\n"
    yield "case-crlf", False, bytes([NO_DEFAULT_REALM]) + crlf
    yield "case-quote", False, bytes([FORMATS.index("csv")]) + b'user,password\nalice,"sec"ret\n"'
    yield "case-folded", False, bytes([FORMATS.index("ldif")]) + b"dn: x\n uid:: \n YQ==\n\n  x\n"


def replies():
    offer = b"220 mail ESMTP\r\n250-mail\r\n250-STARTTLS\r\n250-AUTH=LOGIN\r\n250 AUTH PLAIN LOGIN\r\n"
    yield "case-login", True, b"\0" + offer + b"334 VXNlcm5hbWU6\r\n334 \r\n235 2.7.0 ok\r\n"
    yield "case-masked", True, b"\1" + offer + b"334 cj1hYmM=\r\n535 5.7.8 no\r\n"
    yield "case-repeats", True, b"\0" + offer + b"535 bm90IGluIHRoZSByZXBvcnQ= not in the report\r\n"
    yield "case-refused", True, b"\0220 mail\r\n502-5.5.1 no\r\n502 5.5.1 EHLO\r\n"
    yield "case-two-codes", False, b"\0220-mail\r\n250 mail\r\n"
    yield "case-no-smtp", False, b"\0HTTP/1.1 400 Bad Request\r\n"
    yield "case-cut", False, b"\0" + offer[:-9]
    yield "case-control", False, b"\0220 \x1b[2J\xff\0\r\n" + offer[16:]


def main():
    corpora = {
        "digest_layer": from_vectors(["digest_md5_layer"], packets),
        "identity": from_vectors(
            ["identity"],
            text_of("name", "password", "split", "utf8", "to-latin1", "from-latin1", "log"),
        ),
        "verifier": from_vectors(["verifier"], text_of("scram", "check", "parse", "match")),
        "record": records(),
        "keyring": key_files(),
        "ticket": sealed_tickets(),
        "store_meta": descriptions(),
        "kv_pages": page_changes(),
        "import": imports(),
        "probe_smtp": replies(),
        "scram_msg": list(messages_of(["scram", "scram_plus"], "C"))
        + list(messages_of(["scram_client"], "S")),
        "digest_md5_msg": list(messages_of(["digest_md5", "digest_md5_qop"], "C"))
        + list(messages_of(["digest_md5_client"], "S")),
    }
    extra = {}
    servers = {"plain": [], "login": [], "cram_md5": [], "digest_md5": ["digest_md5_qop"]}
    for name, more in {**servers, "scram": ["scram_plus"]}.items():
        halves = (("server", "C", [name] + more), ("client", "S", [name + "_client"]))
        for half, side, names in halves:
            corpora[f"{name}_{half}"] = from_vectors(names, lambda case, s=side: dialogue(case, s))
            late = from_vectors(names, lambda case, s=side: stumbling(case, s))
            extra[f"{name}_{half}"] = [one for one in late if one[1]][:STUMBLING]
    for target, files in sorted(corpora.items()):
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("case-*"):
            old.unlink()
        chosen = choose(files)
        chosen += [(file + "-late", content) for file, _, content in extra.get(target, [])]
        for name, content in chosen:
            (folder / name).write_bytes(content)
        print(f"{target}: {len(chosen)} files")


main()
