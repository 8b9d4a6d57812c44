# SPDX-License-Identifier: BSD-2-Clause
"""Client side of each mechanism, for tests that have to stop, spoil or inspect an exchange.

An exchange is a generator: it yields the client's messages (the first one None when the server
speaks first) and is sent the server's. It raises AssertionError when the server's part is wrong.
"""

import base64
import functools
import hashlib
import hmac
import os
import re

# mechanism -> challenges in a whole exchange whose first message, if there is one, goes with AUTH
CHALLENGES = {
    "PLAIN": 0,
    "LOGIN": 2,
    "CRAM-MD5": 1,
    "DIGEST-MD5": 2,
    "SCRAM-SHA-1": 2,
    "SCRAM-SHA-256": 2,
}
MECHANISMS = tuple(CHALLENGES)


def plain(user, password, authzid=""):
    """RFC 4616."""
    yield b"\0".join(part.encode() for part in (authzid, user, password))


def login(user, password):
    challenge = yield None
    assert challenge == b"Username:", challenge
    challenge = yield user.encode()
    assert challenge == b"Password:", challenge
    yield password.encode()


def cram_md5(user, password):
    """RFC 2195."""
    challenge = yield None
    assert re.fullmatch(rb"<[^<>@ ]+@[^<>@ ]+>", challenge), challenge
    digest = hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()
    yield f"{user} {digest}".encode()


def directives(message):
    """The directives of a DIGEST-MD5 message as a dict of bytes, quotes removed."""
    found = re.findall(rb'([a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",]*))', message)
    return {name.decode(): quoted or bare for name, quoted, bare in found}


def digest_ha1(user, realm, password):
    """H(username ":" realm ":" password), RFC 2831 2.1.2.1."""
    return hashlib.md5(b":".join((user, realm, password))).digest()


def digest_response(ha1, challenge, cnonce, uri, nc=b"00000001", prefix=b"AUTHENTICATE"):
    """RFC 2831 2.1.2.1, qop=auth. The server's rspauth has an empty prefix."""
    nonce = directives(challenge)["nonce"]
    a1 = hashlib.md5(ha1 + b":" + nonce + b":" + cnonce).hexdigest().encode()
    a2 = hashlib.md5(prefix + b":" + uri).hexdigest().encode()
    return hashlib.md5(b":".join((a1, nonce, nc, cnonce, b"auth", a2))).hexdigest().encode()


def digest_message(user, password, challenge, uri="smtp/mail.lab.test", cnonce=None, **replaced):
    """A DIGEST-MD5 response as {directive: bytes as sent} in order; replaced overrules values."""
    realm = directives(challenge).get("realm", b"")
    cnonce = cnonce or os.urandom(16).hex().encode()
    name, secret, uri = user.encode(), password.encode(), uri.encode()
    response = digest_response(digest_ha1(name, realm, secret), challenge, cnonce, uri)
    message = {
        "username": b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", name),
        "realm": b'"%s"' % realm,
        "nonce": b'"%s"' % directives(challenge)["nonce"],
        "cnonce": b'"%s"' % cnonce,
        "nc": b"00000001",
        "qop": b"auth",
        "digest-uri": b'"%s"' % uri,
        "response": response,
        "charset": b"utf-8",
    }
    return {**message, **replaced}


def join_directives(message):
    return b",".join(name.encode() + b"=" + value for name, value in message.items())


def digest_md5(user, password, uri="smtp/mail.lab.test"):
    """RFC 2831, qop=auth."""
    challenge = yield None
    cnonce = os.urandom(16).hex().encode()
    realm = directives(challenge).get("realm", b"")
    final = yield join_directives(digest_message(user, password, challenge, uri, cnonce))
    ha1 = digest_ha1(user.encode(), realm, password.encode())
    wanted = digest_response(ha1, challenge, cnonce, uri.encode(), prefix=b"")
    assert directives(final)["rspauth"] == wanted, final
    yield b""


@functools.lru_cache(maxsize=1024)
def salted_password(hash_name, password, salt, iterations):
    """Derived once and kept, as a client may (RFC 5802 5.1)."""
    return hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)


class Scram:
    """RFC 5802 and RFC 7677, without channel binding."""

    def __init__(self, hash_name, user, password, gs2="n,,"):
        self.hash = hash_name
        self.gs2 = gs2
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        name = user.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={name},r={self.nonce}"
        self.password = password.encode()

    def first(self):
        return (self.gs2 + self.bare).encode()

    def read_server_first(self, message):
        found = re.fullmatch(
            r"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]*)", message.decode())
        assert found, message
        self.server_first = message.decode()
        self.full_nonce, self.salt = found[1], base64.b64decode(found[2], validate=True)
        self.iterations = int(found[3])
        assert self.full_nonce.startswith(self.nonce), message
        assert len(self.full_nonce) > len(self.nonce), message

    def keys(self):
        """(StoredKey, ServerKey, ClientKey)."""
        salted = salted_password(self.hash, self.password, self.salt, self.iterations)
        client = hmac.digest(salted, b"Client Key", self.hash)
        server = hmac.digest(salted, b"Server Key", self.hash)
        return hashlib.new(self.hash, client).digest(), server, client

    def final(self, binding=None):
        binding = binding or base64.b64encode(self.gs2.encode()).decode()
        without_proof = f"c={binding},r={self.full_nonce}"
        stored, server, client = self.keys()
        message = f"{self.bare},{self.server_first},{without_proof}".encode()
        signature = hmac.digest(stored, message, self.hash)
        proof = bytes(a ^ b for a, b in zip(client, signature))
        self.server_signature = hmac.digest(server, message, self.hash)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def check_server_final(self, message):
        wanted = b"v=" + base64.b64encode(self.server_signature)
        assert message == wanted, message

    def exchange(self):
        self.read_server_first((yield self.first()))
        self.check_server_final((yield self.final()))
        yield b""


SCRAM_HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def start(mechanism, user, password, service="smtp"):
    """A new exchange by the mechanism's name."""
    if mechanism in SCRAM_HASHES:
        return Scram(SCRAM_HASHES[mechanism], user, password).exchange()
    if mechanism == "DIGEST-MD5":
        return digest_md5(user, password, service + "/mail.lab.test")
    return {"PLAIN": plain, "LOGIN": login, "CRAM-MD5": cram_md5}[mechanism](user, password)


def responder(mechanism, user, password, service):
    """A new exchange for libraries that call for each challenge: a function from challenge to
    response, bytes both. The first challenge is empty where the client speaks first."""
    exchange = start(mechanism, user, password, service)
    waiting = [next(exchange)]

    def respond(challenge):
        first = waiting.pop() if waiting else None
        return exchange.send(challenge) if first is None else first

    return respond


def encode(message):
    return base64.b64encode(message).decode("ascii")


def begin(talk, mechanism, initial=None):
    """Sends AUTH, with an initial response if there is one (RFC 4954: "=" for an empty one)."""
    if initial is None:
        return talk.line(f"AUTH {mechanism}")
    return talk.line(f"AUTH {mechanism} {encode(initial) or '='}")


def authenticate(talk, mechanism, user, password):
    """Runs a whole exchange over a SmtpTalk and returns the last reply."""
    exchange = start(mechanism, user, password)
    reply = begin(talk, mechanism, next(exchange))
    while reply.code == 334:
        reply = talk.line(encode(exchange.send(reply.challenge)))
    return reply
