# SPDX-License-Identifier: BSD-2-Clause
"""SMTP by hand: lines as they are, replies byte for byte."""

import base64
import socket

TIMEOUT = 30


def b64(data):
    """Base64 as str; takes bytes or text (UTF-8)."""
    if isinstance(data, str):
        data = data.encode()
    return base64.b64encode(data).decode("ascii")


class Reply:
    """One server reply; raw holds all its lines, CRLF included."""

    def __init__(self, raw):
        self.raw = raw
        self.code = int(raw[:3])
        self.text = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")

    @property
    def challenge(self):
        """The decoded challenge of a 334."""
        if self.code != 334:
            raise AssertionError(f"a challenge was expected, not {self}")
        return base64.b64decode(self.raw[4:].rstrip(b"\r\n"), validate=True)

    def __str__(self):
        return self.text

    __repr__ = __str__


class SmtpTalk:
    """One connection, greeted. Context manager."""

    def __init__(self, port, hello=True, source=None):
        self.transcript = []
        self._sock = socket.create_connection(
            ("127.0.0.1", port), timeout=TIMEOUT, source_address=source and (source, 0))
        self._file = self._sock.makefile("rb")
        self.greeting = self._read()
        if hello:
            self.hello = self.line("EHLO client.lab.test")

    def _read(self):
        lines = []
        while True:
            line = self._file.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError(f"connection closed after\n{self.dialogue()}")
            self.transcript.append(("S", line))
            lines.append(line)
            if line[3:4] != b"-":
                return Reply(b"".join(lines))

    def send(self, data):
        self.transcript.append(("C", data))
        self._sock.sendall(data)

    def line(self, text):
        """Sends one line, str or bytes without its CRLF, and returns the reply."""
        if isinstance(text, str):
            text = text.encode()
        self.send(text + b"\r\n")
        return self._read()

    def dialogue(self, limit=200):
        """The transcript for people; long lines are cut."""
        lines = []
        for side, data in self.transcript:
            text = data.decode("utf-8", "backslashreplace").rstrip("\r\n")
            lines.append(f"{side}: {text[:limit]}" + ("..." if len(text) > limit else ""))
        return "\n".join(lines)

    def close(self):
        self._file.close()
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, exc_type, *rest):
        try:
            if exc_type is None:
                self.line("QUIT")
        except OSError:
            pass
        self.close()
