# SPDX-License-Identifier: BSD-2-Clause
"""SCRAM with channel binding (RFC 5802 6) inside a real Cyrus IMAP, which binds to its TLS channel.

imtest with our client half logs in; a client written here says what no honest client says; and a
man in the middle, who has the server's key and can read and change everything, cannot log in.
"""

import base64
import shutil
import socket
import ssl
import subprocess
import threading
import unittest

import exchanges
import harness
import imapd
import store

REALM = "mail.lab.test"
USER, PASSWORD = "alice", "correct horse"
DIALOGUE = ["a1 NOOP", "a2 LOGOUT"]
SECONDS = 30
UNIQUE = "tls-unique"


def client_context():
    """TLS that takes any certificate: whom the client talks to is what the binding has to show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class ImapTalk:
    """One connection after STARTTLS. Context manager; ends without LOGOUT."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.command("s1 STARTTLS")
        self.file.close()
        self.sock = client_context().wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def command(self, line):
        """Sends a line and returns the untagged replies and the one that answers it."""
        self.sock.sendall(line.encode() + b"\r\n")
        lines = []
        while not lines or lines[-1].startswith("* "):
            line = self.file.readline().decode()
            if not line:
                raise ConnectionError("imapd closed the connection")
            lines.append(line.rstrip("\r\n"))
        return lines

    def mechanisms(self):
        capability = self.command("c1 CAPABILITY")[0].split()
        return {word[len("AUTH="):] for word in capability if word.startswith("AUTH=")}

    def binding(self, kind=UNIQUE):
        return self.sock.get_channel_binding(kind)

    def authenticate(self, name, gs2, binding, password=PASSWORD):
        """One SCRAM-SHA-256 exchange with this gs2 header and binding data; True: logged in."""
        scram = exchanges.Scram("sha256", USER, password, gs2)
        reply = self.command(f"a1 AUTHENTICATE {name} {exchanges.encode(scram.first())}")[-1]
        if not reply.startswith("+ "):
            return self.refused(reply)
        scram.read_server_first(base64.b64decode(reply[2:], validate=True))
        sent = exchanges.encode(gs2.encode() + binding)
        reply = self.command(exchanges.encode(scram.final(sent)))[-1]
        if not reply.startswith("+ "):
            return self.refused(reply)
        scram.check_server_final(base64.b64decode(reply[2:], validate=True))
        reply = self.command("")[-1]
        if reply.startswith("a1 OK"):
            return True
        return self.refused(reply)

    @staticmethod
    def refused(reply):
        if not reply.startswith("a1 NO"):
            raise AssertionError(f"neither OK nor NO: {reply}")
        return False

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.file.close()
        self.sock.close()


class Middleman:
    """Ends the client's TLS with the server's own key and opens another to the server.

    Everything passes as it is, but for what change() makes of the server's lines. Context manager.
    """

    def __init__(self, server, change=lambda line: line):
        self.server = server
        self.change = change
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(SECONDS)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)

    def _serve(self):
        try:
            client = self.listener.accept()[0]
        except OSError:
            return
        with client, socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            try:
                self._relay(client, upstream)
            except OSError:
                pass

    def _relay(self, client, upstream):
        client.settimeout(SECONDS)
        upstream.settimeout(SECONDS)
        from_server, from_client = upstream.makefile("rb"), client.makefile("rb")
        client.sendall(from_server.readline())
        line = b""
        while b"STARTTLS" not in line:
            line = from_client.readline()
            upstream.sendall(line)
            client.sendall(self.change(from_server.readline()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certificate, self.server.key)
        with context.wrap_socket(client, server_side=True) as near, \
                client_context().wrap_socket(upstream) as far:
            back = threading.Thread(target=self._pump, args=(far, near, self.change))
            back.start()
            self._pump(near, far, lambda line: line)
            back.join()

    @staticmethod
    def _pump(source, target, change):
        """Until the source ends, which ends the target too."""
        try:
            with source.makefile("rb") as lines:
                for line in lines:
                    target.sendall(change(line))
        except OSError:
            pass
        try:
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc_info):
        self.listener.close()
        self.thread.join(SECONDS)


def without_plus(line):
    """What somebody in the middle does to a list of mechanisms."""
    return b" ".join(word for word in line.split(b" ") if not word.endswith(b"-PLUS"))


class ImapBindingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work, cls.store = harness.work_and_store(cls, "cyrus", [(USER, REALM, PASSWORD)])
        cls.servers = {}
        for name, versions, binding in (
                ("tls12", "tls1_2", "all"), ("tls13", "tls1_3", "all"),
                ("none12", "tls1_2", "none"), ("none13", "tls1_3", "none")):
            options = cls.store.options(mech_list="PLAIN SCRAM-SHA-1 SCRAM-SHA-256")
            if binding == "none":
                options["lmdb_channel_binding"] = "none"
            cls.servers[name] = cls.enterClassContext(imapd.Imapd(
                cls.work, options, store.PLUGINS, name, {"tls_versions": versions}))

    def imtest(self, port, mechanism, password=PASSWORD):
        """(the client's first message or None, whether it logged in and talked, all it printed)"""
        _, output = imapd.imtest(
            port, mechanism, USER, password, store.PLUGINS, DIALOGUE, "-t", "")
        first = None
        for line in output.splitlines():
            if line.startswith("C: A01 AUTHENTICATE"):
                first = base64.b64decode(line.split()[-1], validate=True)
        talked = "Authenticated." in output and "a1 OK" in output
        self.assertEqual(talked, "A01 OK" in output, output)
        return first, talked, output

    def talk(self, name):
        return ImapTalk(self.servers[name].port)

    def test_imtest_binds(self):
        for name, version in (("tls12", "TLSv1.2"), ("tls13", "TLSv1.3")):
            for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
                with self.subTest(name=name, mechanism=mechanism):
                    first, talked, output = self.imtest(self.servers[name].port, mechanism)
                    self.assertTrue(talked, output)
                    self.assertIn(version, output)
                    self.assertIn(f"AUTH={mechanism}", output)
                    self.assertTrue(first.startswith(b"p=tls-unique,"), first)

    def test_imtest_with_a_wrong_password(self):
        first, talked, output = self.imtest(
            self.servers["tls12"].port, "SCRAM-SHA-256-PLUS", "wrong")
        self.assertTrue(first.startswith(b"p=tls-unique,"), first)
        self.assertFalse(talked, output)
        self.assertIn("A01 NO", output)

    def test_imtest_without_binding(self):
        for name in self.servers:
            with self.subTest(name=name):
                first, talked, output = self.imtest(self.servers[name].port, "SCRAM-SHA-256")
                self.assertTrue(talked, output)
                self.assertTrue(first.startswith(b"n,"), first)

    def test_imtest_where_binding_is_turned_off(self):
        for name in ("none12", "none13"):
            with self.subTest(name=name):
                first, talked, output = self.imtest(
                    self.servers[name].port, "SCRAM-SHA-256-PLUS")
                self.assertFalse(talked, output)
                self.assertIsNone(first, output)
                self.assertIn("Server did not advertise AUTH=SCRAM-SHA-256-PLUS", output)

    def test_what_is_offered(self):
        plain = {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"}
        plus = {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"}
        for name, wanted in (("tls12", plain | plus), ("tls13", plain | plus),
                             ("none12", plain), ("none13", plain)):
            with self.subTest(name=name), self.talk(name) as talk:
                self.assertEqual(talk.mechanisms(), wanted)

    def assert_bindings(self, name, cases):
        """cases: (comment, mechanism, gs2 header, binding data from the talk, whether it works)"""
        for comment, mechanism, gs2, data, works in cases:
            with self.subTest(comment), self.talk(name) as talk:
                self.assertIs(talk.authenticate(mechanism, gs2, data(talk)), works)

    def test_bindings(self):
        def right(talk):
            return talk.binding()

        def flipped(talk):
            data = bytearray(talk.binding())
            data[-1] ^= 1
            return bytes(data)

        def none(_):
            return b""

        def others(_):
            with self.talk("tls12") as other:
                return other.binding()

        plus, plain = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"
        bound = "p=tls-unique,,"
        cases = [
            ("bound", plus, bound, right, True),
            ("bound, under the plain name", plain, bound, right, True),
            ("with an authzid", plus, f"p=tls-unique,a={USER},", right, True),
            ("no binding in the client", plain, "n,,", none, True),
            ("'the server has none', which is a downgrade", plain, "y,,", none, False),
            ("the same under -PLUS", plus, "y,,", none, False),
            ("'y' with an authzid", plain, f"y,a={USER},", none, False),
            ("'y' with the right data", plain, "y,,", right, False),
            ("a bit of the binding flipped", plus, bound, flipped, False),
            ("an empty binding", plus, bound, none, False),
            ("another connection's binding", plus, bound, others, False),
            ("a byte too few", plus, bound, lambda talk: right(talk)[:-1], False),
            ("a byte too many", plus, bound, lambda talk: right(talk) + b"\0", False),
            ("the data twice", plus, bound, lambda talk: right(talk) * 2, False),
            ("another type, same data", plus, "p=tls-exporter,,", right, False),
            ("another type with its own data", plus, "p=tls-server-end-point,,",
             lambda _: bytes(32), False),
            ("the type in capitals", plus, "p=TLS-UNIQUE,,", right, False),
            ("a type cut short", plus, "p=tls-uniqu,,", right, False),
            ("a type that is longer", plus, "p=tls-unique2,,", right, False),
            ("no type", plus, "p=,,", right, False),
            ("'n' with data", plain, "n,,", right, False),
            ("an unknown flag", plain, "x,,", none, False),
        ]
        self.assert_bindings("tls12", cases)
        with self.talk("tls12") as talk:
            self.assertFalse(talk.authenticate(plus, bound, talk.binding(), "wrong"))

    def test_under_tls_1_3(self):
        # imapd calls its binding tls-unique there too; GNU SASL says what it should be called.
        self.assert_bindings("tls13", [
            ("tls-exporter", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", lambda _: bytes(32), False),
            ("a downgrade", "SCRAM-SHA-256", "y,,", lambda _: b"", False),
            ("no binding", "SCRAM-SHA-256", "n,,", lambda _: b"", True),
        ])

    def test_where_binding_is_turned_off(self):
        for name in ("none12", "none13"):
            self.assert_bindings(name, [
                ("'y' is the truth", "SCRAM-SHA-256", "y,,", lambda _: b"", True),
                ("'n'", "SCRAM-SHA-256", "n,,", lambda _: b"", True),
                ("'p', which was not offered", "SCRAM-SHA-256", "p=tls-unique,,",
                 lambda talk: talk.binding(), False),
            ])

    def test_gsasl(self):
        """An independent client. Under TLS 1.3 only where the binding is turned off."""
        if not shutil.which("gsasl"):
            self.skipTest("gsasl is missing: apt-get install gsasl")
        twelve, thirteen = "NORMAL:-VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.3"
        for name, mechanism, priority, works in (
                ("tls12", "SCRAM-SHA-256-PLUS", twelve, True),
                ("tls12", "SCRAM-SHA-1-PLUS", twelve, True),
                ("tls13", "SCRAM-SHA-256-PLUS", thirteen, False),
                ("none13", "SCRAM-SHA-256-PLUS", thirteen, False)):
            with self.subTest(name=name, mechanism=mechanism):
                server = self.servers[name]
                result = subprocess.run(
                    ["gsasl", "--imap", f"--connect=localhost:{server.port}", "--starttls",
                     f"--x509-ca-file={server.certificate}", f"--priority={priority}",
                     "-m", mechanism, "-a", USER, "-p", PASSWORD, "--service=imap",
                     "--hostname=localhost", "--verbose"],
                    input=b"", capture_output=True, timeout=SECONDS)
                output = (result.stdout + result.stderr).decode("utf-8", "backslashreplace")
                self.assertEqual("authentication finished" in output, works, output)

    def test_a_man_in_the_middle(self):
        """He passes everything on unchanged: without binding he gets in, with binding he does not."""
        for mechanism, gets_in in (("SCRAM-SHA-256", True), ("SCRAM-SHA-256-PLUS", False)):
            for name in ("tls12", "tls13"):
                with self.subTest(mechanism=mechanism, name=name), \
                        Middleman(self.servers[name]) as middleman:
                    _, talked, output = self.imtest(middleman.port, mechanism)
                    self.assertIs(talked, gets_in, output)
                    self.assertIn("A01 OK" if gets_in else "A01 NO", output)

    def test_a_man_in_the_middle_who_hides_the_binding(self):
        """A client that says 'you have none' finds out that somebody took -PLUS off the list."""
        with Middleman(self.servers["tls12"], without_plus) as middleman, \
                ImapTalk(middleman.port) as talk:
            self.assertEqual(talk.mechanisms(), {"PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"})
            self.assertFalse(talk.authenticate("SCRAM-SHA-256", "y,,", b""))


if __name__ == "__main__":
    imapd.require()
    harness.run_tests()
