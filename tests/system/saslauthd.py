# SPDX-License-Identifier: BSD-2-Clause
"""A real saslauthd with a socket of its own, which asks an IMAP server: one of ours.

Of all its backends "rimap" is the one that needs no file of the machine changed. The IMAP server
knows LOGIN and nothing else, and the users it is given.
"""

import os
import signal
import socketserver
import subprocess
import threading
import time

START_SECONDS = 10


def _quoted_strings(line):
    """The quoted strings of an IMAP line, unescaped (RFC 3501 4.3)."""
    found, current, escaped = [], None, False
    for character in line:
        if current is None:
            current = "" if character == '"' else None
        elif escaped:
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        elif character == '"':
            found.append(current)
            current = None
        else:
            current += character
    return found


class _Imap(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            self.serve()
        except ConnectionError:
            pass  # saslauthd does not wait for the answer to its LOGOUT

    def serve(self):
        self.wfile.write(b"* OK ready\r\n")
        for raw in self.rfile:
            tag, command = raw.decode("utf-8", "replace").split(" ", 1)
            if command.upper().startswith("LOGIN"):
                credentials = tuple(_quoted_strings(command))
                self.server.asked.append(credentials)
                answer = "OK in" if credentials in self.server.users else "NO refused"
            elif command.upper().startswith("CAPABILITY"):
                self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")
                answer = "OK done"
            else:
                answer = "BYE" if command.upper().startswith("LOGOUT") else "BAD unknown"
            self.wfile.write(f"{tag} {answer}\r\n".encode())


class Saslauthd:
    """Context manager. users: set of (user, password). socket: what saslauthd_path has to name
    for a process whose root is jail."""

    def __init__(self, jail, users):
        self.directory = os.path.join(jail, "run", "saslauthd")
        self.socket = "/run/saslauthd/mux"
        os.makedirs(self.directory)
        os.chmod(self.directory, 0o711)
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Imap)
        self.server.daemon_threads = True
        self.server.users = users
        self.server.asked = []
        self.process = None

    @property
    def asked(self):
        """(user, password) of every question so far."""
        return self.server.asked

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        port = self.server.server_address[1]
        # -d keeps it in the foreground, and in a process group that can be signalled as one.
        self.process = subprocess.Popen(
            ["saslauthd", "-d", "-a", "rimap", "-O", f"127.0.0.1/{port}", "-n", "1",
             "-m", self.directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while not os.path.exists(os.path.join(self.directory, "mux")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("saslauthd did not start")
            time.sleep(0.02)
        return self

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)
        self.process = None
        self.server.shutdown()
        self.server.server_close()

    def __exit__(self, *exc_info):
        self.stop()
