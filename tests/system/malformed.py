# SPDX-License-Identifier: BSD-2-Clause
"""Messages a client must not send, by mechanism.

script(mechanism) yields (name, turns): turns is a list of messages or functions that make one of
the challenge received; the first goes with the AUTH command, where None means AUTH alone. Each
script is wrong in one place, and a refusal has to come at that place or later, when it is played
to its end. All of them are about a user who exists and, where one is needed, the right password.
"""

import base64

from exchanges import CHALLENGES, Scram, digest_message, join_directives, start

# Postfix refuses to read more than 12288 bytes of Base64; this much arrives at the plugin.
LARGEST = 9000

GENERIC = {
    "empty": b"",
    "one byte": b"x",
    "one NUL": b"\0",
    "many NULs": b"\0" * 64,
    "not UTF-8": b"\xff\xfe\x80 \xc0\xaf",
    "UTF-8 cut in the middle": b"\xe2\x82",
    "a control character": b"\x07bell",
    "oversized": b"A" * LARGEST,
    "oversized NULs": b"\0" * LARGEST,
    "oversized, commas": b"," * LARGEST,
    "format string": b"%s%n%x%s",
}


def _spoiled_step(mechanism, user, password, step, payload):
    """An honest exchange whose message number step is the payload."""
    exchange = start(mechanism, user, password)
    first = next(exchange)

    def honest(challenge):
        return exchange.send(challenge)

    def spoiled(challenge):
        exchange.send(challenge)
        return payload

    turns = [first] + [honest] * CHALLENGES[mechanism]
    turns[step] = spoiled if step > 0 else payload
    return turns


def _generic(mechanism, user, password):
    steps = CHALLENGES[mechanism] + 1
    if mechanism.startswith(("DIGEST-", "SCRAM-")):
        # The server has had the last word then, and libsasl2 hands no plugin what follows it.
        steps -= 1
    for step in range(steps):
        if step == 0 and next(start(mechanism, user, password)) is None:
            continue
        for name, payload in GENERIC.items():
            yield f"message {step}: {name}", _spoiled_step(
                mechanism, user, password, step, payload)


def _plain(user, password):
    u, p = user.encode(), password.encode()
    for name, message in {
        "no authorization field": u + b"\0" + p,
        "one field too many": b"\0" + u + b"\0" + p + b"\0",
        "a fourth field": b"\0" + u + b"\0" + p + b"\0x",
        "no user": b"\0\0" + p,
        "no password": b"\0" + u + b"\0",
        "no password field": b"\0" + u,
        "only an authorization identity": u + b"\0\0",
        "NUL in the password": b"\0" + u + b"\0" + p[:3] + b"\0" + p[3:],
        "two at signs": b"\0" + u + b"@a@b\0" + p,
        "no user before the at sign": b"\0@mail.lab.test\0" + p,
        "user not UTF-8": b"\0" + u + b"\xff\0" + p,
        "password not UTF-8": b"\0" + u + b"\0" + p + b"\xff",
        "user too long": b"\0" + u * 400 + b"\0" + p,
        "password too long": b"\0" + u + b"\0" + p * 300,
        "authorization identity not UTF-8": b"\xff\0" + u + b"\0" + p,
        "line feed after the user": b"\0" + u + b"\n\0" + p,
    }.items():
        yield name, [message]


def _login(user, password):
    u, p = user.encode(), password.encode()
    for name, turns in {
        "NUL after the user": [None, u + b"\0", p],
        "NUL after the password": [None, u, p + b"\0"],
        "PLAIN's message as user": [None, b"\0" + u + b"\0" + p, p],
        "user not UTF-8": [None, u + b"\xff", p],
        "password not UTF-8": [None, u, p + b"\xff"],
        "user too long": [None, u * 400, p],
        "password too long": [None, u, p * 300],
        "initial response not UTF-8": [u + b"\xff", p],
        "initial response with NUL": [u + b"\0", p],
        "two at signs": [u + b"@a@b", p],
    }.items():
        yield name, turns


def _cram_md5(user, password):
    def honest(challenge):
        exchange = start("CRAM-MD5", user, password)
        next(exchange)
        return exchange.send(challenge)

    for name, change in {
        "no space": lambda message: message.replace(b" ", b""),
        "only the user": lambda message: message.split(b" ")[0],
        "user and space": lambda message: message.split(b" ")[0] + b" ",
        "no user": lambda message: message[message.index(b" "):],
        "no user, no space": lambda message: message.split(b" ")[1],
        "digest one digit short": lambda message: message[:-1],
        "digest one digit long": lambda message: message + b"0",
        "a space after the digest": lambda message: message + b" ",
        "a NUL after the digest": lambda message: message + b"\0",
        "a line end after the digest": lambda message: message + b"\r\n",
        "a word after the digest": lambda message: message + b" x",
        "digest not hexadecimal": lambda message: message[:-1] + b"g",
        "first digit different": lambda message: message[:-32] + b"%x" % (
            15 - int(message[-32:-31], 16)) + message[-31:],
        "last digit different": lambda message: message[:-1] + b"%x" % (
            15 - int(message[-1:], 16)),
        "digest cut to half": lambda message: message[:-16],
        "NUL in the user": lambda message: b"\0" + message,
        "two at signs": lambda message: message.replace(b" ", b"@a@b "),
        "user not UTF-8": lambda message: b"\xff" + message,
    }.items():
        yield name, [None, lambda challenge, change=change: change(honest(challenge))]
    yield "an initial response", [user.encode() + b" " + b"0" * 32]
    yield "the answer to no challenge of this server", [
        None, lambda challenge: honest(b"<" + b"0" * 32 + b"@mail.lab.test>")]


DIGEST_REPLACED = {
    "another nonce": {"nonce": b'"bm90IHlvdXJz"'},
    "empty nonce": {"nonce": b'""'},
    "nc 2": {"nc": b"00000002"},
    "nc 0": {"nc": b"00000000"},
    "nc not hexadecimal": {"nc": b"0000000g"},
    "nc short": {"nc": b"1"},
    "qop auth-conf": {"qop": b"auth-conf"},
    "qop unknown": {"qop": b"none"},
    "qop empty": {"qop": b'""'},
    "digest-uri of another service": {"digest-uri": b'"imap/mail.lab.test"'},
    "digest-uri without host": {"digest-uri": b'"smtp"'},
    "digest-uri empty": {"digest-uri": b'""'},
    "charset unknown": {"charset": b"latin-1"},
    "response short": {"response": b"0" * 31},
    "response long": {"response": b"0" * 33},
    "response not hexadecimal": {"response": b"g" * 32},
    "response zero": {"response": b"0" * 32},
    "response empty": {"response": b'""'},
    "cnonce empty": {"cnonce": b'""'},
    "username empty": {"username": b'""'},
    "username not UTF-8": {"username": b'"\xff"'},
    "username with NUL": {"username": b'"a\0b"'},
    "username with two at signs": {"username": b'"a@b@c"'},
    "username too long": {"username": b'"' + b"u" * 4000 + b'"'},
    "realm not offered": {"realm": b'"elsewhere.test"'},
    "realm too long": {"realm": b'"' + b"r" * 4000 + b'"'},
    "quote not closed": {"charset": b'"utf-8'},
    "quote ends in a backslash": {"charset": b'"utf-8\\'},
    "value missing": {"charset": b""},
}


def _digest_md5(user, password):
    def built(change):
        return [None, lambda challenge: change(digest_message(user, password, challenge)), b""]

    for name, replaced in DIGEST_REPLACED.items():
        yield name, built(lambda fields, replaced=replaced: join_directives(
            {**fields, **replaced}))
    for gone in ("username", "nonce", "cnonce", "nc", "digest-uri", "response"):
        yield f"no {gone}", built(lambda fields, gone=gone: join_directives(
            {name: value for name, value in fields.items() if name != gone}))
    for twice in ("username", "realm", "nonce", "cnonce", "nc", "qop", "digest-uri", "response",
                  "charset"):
        yield f"{twice} twice", built(lambda fields, twice=twice: join_directives(fields)
                                      + b"," + twice.encode() + b"=" + fields[twice])
    for name, change in {
        "no equals sign": lambda message: message.replace(b"=", b" "),
        "semicolons": lambda message: message.replace(b",", b";"),
        "cut in the middle": lambda message: message[:len(message) // 2],
        "a NUL behind": lambda message: message + b"\0",
        "a NUL in the middle": lambda message: message.replace(b",", b",\0", 1),
        "the message twice": lambda message: message + b"," + message,
        "one directive repeated without end": lambda message: message + b",x=y" * 1500,
    }.items():
        yield name, built(lambda fields, change=change: change(join_directives(fields)))


def _scram(mechanism, user, password):
    hash_name = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism]
    u = user.encode()
    for name, message in {
        "no gs2 header": b"n=" + u + b",r=abcdefgh",
        "channel binding asked for": b"p=tls-unique,,n=" + u + b",r=abcdefgh",
        "gs2 flag unknown": b"x,,n=" + u + b",r=abcdefgh",
        "gs2 flag only": b"n",
        "gs2 header only": b"n,,",
        "a mandatory extension": b"n,,m=x,n=" + u + b",r=abcdefgh",
        "no user": b"n,,r=abcdefgh",
        "user empty": b"n,,n=,r=abcdefgh",
        "no nonce": b"n,,n=" + u,
        "nonce empty": b"n,,n=" + u + b",r=",
        "nonce with a space": b"n,,n=" + u + b",r=abc defgh",
        "nonce not ASCII": b"n,,n=" + u + b",r=abc\xc3\xa4",
        "nonce before the user": b"n,,r=abcdefgh,n=" + u,
        "user twice": b"n,,n=" + u + b",n=" + u + b",r=abcdefgh",
        "escape unknown": b"n,,n=" + u + b"=2D,r=abcdefgh",
        "escape cut": b"n,,n=" + u + b"=2,r=abcdefgh",
        "equals sign not escaped": b"n,,n=" + u + b"=,r=abcdefgh",
        "NUL in the user": b"n,,n=" + u + b"\0,r=abcdefgh",
        "user not UTF-8": b"n,,n=\xff,r=abcdefgh",
        "nonce too long": b"n,,n=" + u + b",r=" + b"n" * 8000,
        "the last message first": b"c=biws,r=abcdefgh,p=" + base64.b64encode(b"\0" * 32),
    }.items():
        yield name, [message]

    def spoiled(change, gs2="n,,", user=user):
        scram = Scram(hash_name, user, password, gs2)

        def final(challenge):
            scram.read_server_first(challenge)
            return change(scram, scram.final().decode()).encode("latin-1")

        return [scram.first(), final, b""]

    def with_proof(proof):
        return lambda scram, text: text[:text.index(",p=") + 3] + proof

    zero = {"sha1": 20, "sha256": 32}[hash_name]
    for name, change in {
        "no binding": lambda scram, text: text[text.index("r="):],
        "binding of another header": lambda scram, text: scram.final("eSws").decode(),
        "binding not Base64": lambda scram, text: scram.final("bi*s").decode(),
        "binding with data": lambda scram, text: scram.final("biwsAAAA").decode(),
        "only the client's nonce": lambda scram, text: text.replace(scram.full_nonce, scram.nonce),
        "nonce longer": lambda scram, text: text.replace(scram.full_nonce, scram.full_nonce + "x"),
        "nonce of another exchange": lambda scram, text: text.replace(scram.full_nonce, "x" * 40),
        "no nonce": lambda scram, text: text.replace(f"r={scram.full_nonce},", ""),
        "no proof": lambda scram, text: text[:text.index(",p=")],
        "proof empty": with_proof(""),
        "proof not Base64": with_proof("*" * 28),
        "proof of zeros": with_proof(base64.b64encode(b"\0" * zero).decode()),
        "proof one byte short": with_proof(base64.b64encode(b"\0" * (zero - 1)).decode()),
        "proof one byte long": with_proof(base64.b64encode(b"\0" * (zero + 1)).decode()),
        "proof twice": lambda scram, text: text + text[text.index(",p="):],
        "something behind the proof": lambda scram, text: text + ",x=y",
        "a NUL behind the proof": lambda scram, text: text + "\0",
        "order changed": lambda scram, text: ",".join(reversed(text.split(","))),
        "a mandatory extension": lambda scram, text: text.replace(",p=", ",m=x,p="),
        "the first message again": lambda scram, text: scram.first().decode(),
    }.items():
        yield f"at the end: {name}", spoiled(change)


    def as_it_is(scram, text):
        return text

    # These may be answered as if such a user could exist, but not let in.
    yield "on behalf of somebody else", spoiled(as_it_is, "n,a=somebody,")
    yield "two at signs", spoiled(as_it_is, user=user + "@a@b")
    yield "user too long", spoiled(as_it_is, user=user * 200)


def scripts(mechanism, user, password):
    """All wrong dialogues of a mechanism."""
    yield from _generic(mechanism, user, password)
    if mechanism.startswith("SCRAM-"):
        yield from _scram(mechanism, user, password)
    else:
        yield from {"PLAIN": _plain, "LOGIN": _login, "CRAM-MD5": _cram_md5,
                    "DIGEST-MD5": _digest_md5}[mechanism](user, password)
