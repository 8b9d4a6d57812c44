# SPDX-License-Identifier: BSD-2-Clause
"""Everything that a server could keep of a password, computed from the password.

Only for looking whether it lies about. MD5 is written out because hashlib shows no intermediate
state, and those of HMAC-MD5 are what CRAM-MD5 servers keep.
"""

import base64
import hashlib
import hmac
import math
import struct

SHIFTS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
SINES = [int(abs(math.sin(i + 1)) * 2**32) for i in range(64)]
START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
BLOCK = 64


def md5_compress(state, block):
    """One block of MD5 (RFC 1321 3.4); state is four 32-bit words."""
    words = struct.unpack("<16I", block)
    a, b, c, d = state
    for i in range(64):
        if i < 16:
            f, g = (b & c) | (~b & d), i
        elif i < 32:
            f, g = (d & b) | (~d & c), (5 * i + 1) % 16
        elif i < 48:
            f, g = b ^ c ^ d, (3 * i + 5) % 16
        else:
            f, g = c ^ (b | ~d), (7 * i) % 16
        mixed = (a + f + SINES[i] + words[g]) & 0xFFFFFFFF
        shift = SHIFTS[i // 16][i % 4]
        rotated = ((mixed << shift) | (mixed >> (32 - shift))) & 0xFFFFFFFF
        a, d, c, b = d, c, b, (b + rotated) & 0xFFFFFFFF
    return tuple((x + y) & 0xFFFFFFFF for x, y in zip(state, (a, b, c, d)))


def md5_resume(state, data, hashed):
    """MD5 of data after `hashed` bytes that led to state."""
    bits = (hashed + len(data)) * 8
    data += b"\x80" + b"\0" * (-(len(data) + 9) % BLOCK) + struct.pack("<Q", bits)
    for start in range(0, len(data), BLOCK):
        state = md5_compress(state, data[start:start + BLOCK])
    return struct.pack("<4I", *state)


def hmac_md5_states(password):
    """(inner, outer): the states after the padded key (RFC 2104)."""
    key = hashlib.md5(password).digest() if len(password) > BLOCK else password
    key = key.ljust(BLOCK, b"\0")
    return tuple(
        md5_compress(START, bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))


def hmac_md5_from_states(states, message):
    inner = md5_resume(states[0], message, BLOCK)
    return md5_resume(states[1], inner, BLOCK)


def digest_forms(user, realm, password):
    """name -> H(username:realm:password) for each way a client may spell the account."""
    return {
        f"DIGEST-MD5 {name}:{used}": hashlib.md5(f"{name}:{used}:{password}".encode()).digest()
        for name in (user, f"{user}@{realm}")
        for used in (realm, "")
    }


def scram_forms(hash_name, password, salt, iterations):
    salted = hashlib.pbkdf2_hmac(hash_name, password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", hash_name)
    return {
        f"{hash_name} salt": salt,
        f"{hash_name} SaltedPassword": salted,
        f"{hash_name} ClientKey": client,
        f"{hash_name} StoredKey": hashlib.new(hash_name, client).digest(),
        f"{hash_name} ServerKey": hmac.digest(salted, b"Server Key", hash_name),
    }


def password_forms(password):
    """The password, hashes of it without salt, and the states of CRAM-MD5 in both byte orders."""
    raw = password.encode()
    forms = {"password": raw, "password reversed": raw[::-1],
             "password in UTF-16": password.encode("utf-16-le")}
    for name in ("md5", "sha1", "sha256", "sha512"):
        forms[name + " of the password"] = hashlib.new(name, raw).digest()
    for part, state in zip(("inner", "outer"), hmac_md5_states(raw)):
        forms[f"CRAM-MD5 {part}, big-endian"] = struct.pack(">4I", *state)
        forms[f"CRAM-MD5 {part}, little-endian"] = struct.pack("<4I", *state)
    return forms


def find(haystack, needles):
    """Names of the needles of which a piece occurs, raw, in hexadecimal or in Base64.

    Eight bytes in a row are no coincidence; of shorter needles all bytes have to be there.
    """
    found = []
    lower = haystack.lower()
    for name, needle in needles.items():
        pieces = [needle[i:i + 8] for i in range(0, max(1, len(needle) - 7), 4)]
        raw = any(piece in haystack for piece in pieces)
        hexadecimal = any(piece.hex().encode() in lower for piece in pieces)
        encoded = any(piece.rstrip(b"=") in haystack for shift in range(3)
                      for piece in [base64.b64encode(needle[shift:])[:12]])
        if raw or hexadecimal or (len(needle) >= 8 and encoded):
            found.append(name)
    return found
