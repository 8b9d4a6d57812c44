# SPDX-License-Identifier: BSD-2-Clause
"""sasl-lmdb probe at a private Postfix, right and wrong in each way, and at strange servers."""

import base64
import concurrent.futures
import contextlib
import json
import os
import pwd
import queue
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import harness
import postfix
import store
from smtp_talk import b64

DONE, FOUND, USAGE, FAILED = 0, 1, 2, 3
PROBE = os.path.join(store.TOOLS, "sasl-lmdb")
TLS_ONLY = {"smtpd_tls_auth_only": "yes"}
FAR_PEER = os.environ.get(
    "SASL_LMDB_FAR_PEER", os.path.join(store.ROOT, "build/release/tests/system/libfarpeer.so"))
AUTHS = 4  # logins in a time unit at the service "limited"


def probe(*arguments, secret=None, outside=False):
    """outside: the server seems to be another machine."""
    env = {"SASL_PATH": store.PLUGINS}
    if outside:
        env["LD_PRELOAD"] = FAR_PEER
    return store.run([PROBE, "probe", *arguments], secret, env)


class ProbeCase(harness.PostfixCase):
    settings = {"anvil_rate_time_unit": "1h"}  # however slow the machine is
    services = {
        "clear": {},
        "smtp": TLS_ONLY,
        "implicit": {"smtpd_tls_wrappermode": "yes"},
        "open": {**TLS_ONLY, "mynetworks": "127.0.0.0/8",
                 "smtpd_relay_restrictions": "permit_mynetworks, reject"},
        "noauth": {"smtpd_sasl_auth_enable": "no"},
        "notls": {"smtpd_tls_security_level": "none"},
        "strict": {**TLS_ONLY, "smtpd_sasl_tls_security_options": "noanonymous, noplaintext"},
        "later": {**TLS_ONLY, "smtpd_relay_restrictions": "defer"},
        "limited": {**TLS_ONLY, "smtpd_client_auth_rate_limit": str(AUTHS),
                    "smtpd_client_event_limit_exceptions": ""},
    }

    def run_probe(self, service, *options, user=None, password=None, ca=True, outside=False):
        trust = ["--ca", self.postfix.certificate] if ca else []
        arguments = [*trust, *options, f"127.0.0.1:{self.postfix.ports[service]}"]
        if user is not None:
            return probe(*arguments, user, secret=password, outside=outside)
        return probe(*arguments, outside=outside)

    def report(self, service, *options, status, **more):
        """The JSON object of a probe that ends with this status."""
        result = self.run_probe(service, "--json", *options, **more)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        found = json.loads(result.stdout)
        self.assertEqual(found["ok"], status == DONE, found)
        return found

    def problems(self, *arguments, **more):
        return [problem["id"] for problem in self.report(*arguments, **more)["problems"]]


class SoundTest(ProbeCase):
    LOGINS = {("PLAIN", "initial response"), ("PLAIN", "no initial response"),
              ("LOGIN", "initial response"), ("LOGIN", "no initial response"),
              ("CRAM-MD5", ""), ("DIGEST-MD5", ""), ("SCRAM-SHA-1", ""), ("SCRAM-SHA-256", "")}

    def check_sound(self, service, *options):
        found = self.report(service, *options, status=DONE, user=self.USER, password=self.PASSWORD)
        self.assertEqual(found["problems"], [])
        self.assertTrue(found["complete"])
        logins = {(login["mechanism"], login["way"]) for login in found["logins"]}
        self.assertEqual(logins, self.LOGINS, found["notes"])
        for login in found["logins"]:
            self.assertTrue(login["ok"], login)
            self.assertTrue(login["reply"].startswith("235 "), login)
        self.assertEqual([test["when"] for test in found["relay"]],
                         ["without a login", "after a failed login"])
        for test in found["relay"]:
            self.assertTrue(test["refused"], test)
            self.assertTrue(test["reply"].startswith("554 "), test)
        return found

    def test_starttls(self):
        for options in ([], ["--tls", "auto"], ["--tls", "starttls"], ["--insecure"]):
            with self.subTest(options):
                found = self.check_sound("smtp", *options)
                before, after = found["offers"]
                self.assertEqual((before["tls"], before["auth"], before["starttls"]),
                                 ("", "", True))
                self.assertTrue(after["tls"].startswith("TLSv1."), after)
                self.assertEqual(after["auth"], store.MECHANISMS)
                self.assertFalse(after["starttls"])

    def test_implicit_tls(self):
        found = self.check_sound("implicit", "--tls", "implicit")
        self.assertEqual(len(found["offers"]), 1)
        self.assertTrue(found["offers"][0]["tls"].startswith("TLSv1."))

    def test_without_a_user(self):
        found = self.report("smtp", status=DONE)
        self.assertEqual(found["logins"], [])
        self.assertEqual(len(found["relay"]), 2)

    def test_for_people(self):
        result = self.run_probe("smtp", user=self.USER, password=self.PASSWORD)
        self.assertEqual((result.returncode, result.stderr), (DONE, ""), result.stdout)
        for text in ("S: 220 ", "C: EHLO [127.0.0.1]", "C: STARTTLS", "offered in the clear: AUTH "
                     "(none); STARTTLS", "C: AUTH PLAIN ********", "C: AUTH LOGIN ********",
                     "S: 334 VXNlcm5hbWU6", "login with SCRAM-SHA-256: ok: 235 ",
                     "relaying without a login: refused: 554 ", "may trust more"):
            self.assertIn(text, result.stdout)
        self.assertTrue(result.stdout.endswith("\nall is well\n"), result.stdout)
        self.assertNotRegex(result.stdout, r"(?m)^C: [A-Za-z0-9+/]{9,}=*$")
        quiet = self.run_probe("smtp", "-q", user=self.USER, password=self.PASSWORD)
        self.assertNotRegex(quiet.stdout, "(?m)^[CS]: ")
        self.assertIn("all is well", quiet.stdout)

    def test_secrets_are_masked(self):
        plain = b64(f"\0{self.USER}\0{self.PASSWORD}")
        for options in ([], ["--json"]):
            result = self.run_probe("smtp", *options, user=self.USER, password=self.PASSWORD)
            for secret in (self.PASSWORD, plain, b64(self.PASSWORD), b64(self.USER)):
                self.assertNotIn(secret, result.stdout + result.stderr)
        for side, line in json.loads(result.stdout)["dialogue"]:
            if side == "S" and re.fullmatch("334 [A-Za-z0-9+/]+=*", line):
                # A server's proof would let whoever reads the report try passwords on it.
                self.assertNotRegex(base64.b64decode(line[4:]), b"^(v=|rspauth=)")
        self.assertIn(["S", "334 ********"], json.loads(result.stdout)["dialogue"])

    def test_nothing_is_sent(self):
        """The relay test ends before DATA; no mail is queued."""
        since = self.postfix.log.mark()
        self.run_probe("open")
        self.postfix.log.wait_for("disconnect from ", since)
        text = self.postfix.log.text(since)
        self.assertNotRegex(text, r"(data|bdat)=|message-id=")


class FoundTest(ProbeCase):
    def test_open_relay(self):
        found = self.report("open", status=FOUND, outside=True)
        self.assertEqual({problem["id"] for problem in found["problems"]}, {"open-relay"})
        self.assertEqual([test["refused"] for test in found["relay"]], [False, False])

    def test_open_for_this_machine(self):
        """As permit_mynetworks has it: a probe on the server itself finds nothing wrong in that."""
        found = self.report("open", status=DONE)
        self.assertEqual(found["problems"], [])
        self.assertEqual([test["refused"] for test in found["relay"]], [False, False])
        notes = [note for note in found["notes"] if "from this machine itself" in note]
        self.assertEqual(len(notes), 2, found["notes"])
        self.assertIn("the probe that counts is one from outside", notes[0])

    def test_rate_limit(self):
        """No login is blamed once the server counts too many, and none is said to have failed."""
        found = self.report("limited", status=FOUND, user=self.USER, password=self.PASSWORD)
        self.assertEqual([one["id"] for one in found["problems"]], ["rate-limit"])
        self.assertRegex(found["problems"][0]["text"], "wait a minute.*: 450 ")
        self.assertEqual([login["ok"] for login in found["logins"]], [True] * len(found["logins"]))
        self.assertLess(len(found["logins"]), AUTHS + 1)
        self.assertEqual([test["when"] for test in found["relay"]], ["without a login"])
        untried = [note for note in found["notes"] if note.startswith("not tested: ")]
        self.assertEqual(len(untried), 2, found["notes"])
        self.assertIn("relaying after a failed login", untried[1])
        found = self.report("limited", status=FOUND)
        self.assertEqual([one["id"] for one in found["problems"]], ["rate-limit"])
        self.assertEqual([test["when"] for test in found["relay"]], ["without a login"])

    def test_refused_for_now(self):
        found = self.report("later", status=DONE)
        self.assertTrue(all(test["refused"] for test in found["relay"]))
        self.assertIn("for now only", " ".join(found["notes"]))

    def test_auth_in_the_clear(self):
        found = self.report("clear", status=FOUND, user=self.USER, password=self.PASSWORD)
        self.assertEqual([one["id"] for one in found["problems"]], ["plain-without-tls"])
        self.assertTrue(all(login["ok"] for login in found["logins"]))

    def test_no_tls_at_all(self):
        """Nobody logs in in the clear, by no mechanism, unless that is asked for."""
        found = self.report("notls", status=FOUND, user=self.USER, password=self.PASSWORD)
        self.assertEqual([one["id"] for one in found["problems"]],
                         ["plain-without-tls", "no-starttls"])
        self.assertEqual(found["logins"], [])
        self.assertIn("--tls none tries all the same", " ".join(found["notes"]))
        self.assertEqual(len(found["notes"]), len(set(found["notes"])), found["notes"])
        for side, line in found["dialogue"]:
            self.assertFalse(side == "C" and line.startswith("AUTH"), line)
        self.assertEqual(self.problems("notls", "--tls", "starttls", status=FOUND),
                         ["plain-without-tls", "no-starttls"])
        found = self.report("notls", "--tls", "none", status=FOUND, user=self.USER,
                            password=self.PASSWORD)
        self.assertEqual([one["id"] for one in found["problems"]], ["plain-without-tls"])
        self.assertEqual(len(found["logins"]), len(SoundTest.LOGINS))

    def test_wrong_password(self):
        for user, password in ((self.USER, "wrong"), ("nosuchuser", self.PASSWORD)):
            found = self.report("smtp", status=FOUND, user=user, password=password)
            self.assertEqual([one["id"] for one in found["problems"]], ["login-failed"])
            self.assertRegex(found["problems"][0]["text"],
                             "^every login: the server does not take this user name .*: 535 ")
            self.assertEqual(len(found["logins"]), len(SoundTest.LOGINS))
            for login in found["logins"]:
                self.assertFalse(login["ok"], login)
                self.assertRegex(login["reply"], "^535 5.7.8 ")
            self.assertEqual([test["refused"] for test in found["relay"]], [True, True])

    def test_store_gone(self):
        """What the server says is shown: 454, try again later, is not "wrong password"."""
        aside = self.store.path + ".aside"
        os.rename(self.store.path, aside)
        try:
            self.postfix.restart()
            found = self.report("smtp", status=FOUND, user=self.USER, password=self.PASSWORD)
        finally:
            os.rename(aside, self.store.path)
            self.postfix.restart()
        self.assertTrue(all(login["reply"].startswith("454 ") for login in found["logins"]))
        self.assertEqual(len(found["problems"]), 1)
        self.assertRegex(found["problems"][0]["text"],
                         "^every login: the server could not check it now")

    def test_auth_not_offered(self):
        self.assertEqual(self.problems("noauth", status=FOUND, user=self.USER,
                                       password=self.PASSWORD), ["no-auth"])
        self.assertEqual(self.problems("noauth", status=DONE), [])
        self.assertEqual(self.problems("smtp", "--tls", "none", status=FOUND, user=self.USER,
                                       password=self.PASSWORD), ["no-auth"])

    def test_certificate_not_trusted(self):
        for service, mode in (("smtp", "starttls"), ("implicit", "implicit")):
            with self.subTest(service):
                found = self.report(service, "--tls", mode, status=FOUND, ca=False,
                                    user=self.USER, password=self.PASSWORD)
                self.assertEqual([one["id"] for one in found["problems"]], ["certificate"])
                self.assertIn("self-signed", found["problems"][0]["text"])
                self.assertEqual((found["logins"], found["relay"]), ([], []))
                self.assertNotIn("AUTH", json.dumps(found["dialogue"]))

    def test_certificate_by_name(self):
        result = probe("--ca", self.postfix.certificate, f"localhost:{self.postfix.ports['smtp']}")
        self.assertEqual(result.returncode, DONE, result.stdout)


class Fake(threading.Thread):
    """A server on loopback that runs handle(file) for each connection."""

    def __init__(self, handle, tls=None):
        super().__init__(daemon=True)
        self.handle = handle
        self.tls = tls
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.received = []

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection, contextlib.suppress(OSError):
                    self.serve(connection)

    def serve(self, connection):
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
            self.unique = connection.get_channel_binding("tls-unique")
        self.connection = connection
        with connection, connection.makefile("rwb", buffering=0) as file:
            self.handle(self, file)

    def secure(self, file, context, talk):
        """Goes on under TLS with the connection that a file belongs to."""
        with context.wrap_socket(self.connection, server_side=True) as connection, \
                connection.makefile("rwb", buffering=0) as secured:
            talk(secured)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.join()


def smtp_server(mechanisms="", auth=None, greeting=b"220 fake\r\n", extra="", relay="554 no"):
    """handle() of a small SMTP server; auth(server, file, line) answers AUTH."""
    def handle(server, file):
        file.write(greeting)
        for raw in file:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            server.received.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                offered = f"250-AUTH {mechanisms}\r\n" if mechanisms else ""
                file.write(f"250-fake\r\n{offered}{extra}250 HELP\r\n".encode())
            elif verb == "AUTH":
                auth(server, file, line)
            elif verb == "QUIT":
                file.write(b"221 bye\r\n")
                return
            elif verb == "RCPT":
                file.write(relay.encode() + b"\r\n")
            else:
                file.write(b"250 ok\r\n")
    return handle


def says(text):
    """An auth() that answers with one line."""
    return lambda server, file, line: file.write(text.encode() + b"\r\n")


class StrangeServerTest(harness.unittest.TestCase):
    PASSWORD = "correct horse battery"

    def probe(self, handle, *options, status, user="alice", tls="none", timeout=60):
        with Fake(handle) as server:
            arguments = ["--tls", tls, "--timeout", str(timeout), *options,
                         f"127.0.0.1:{server.port}"]
            start = time.monotonic()
            result = probe(*arguments, *([user] if user else []),
                           secret=self.PASSWORD if user else None)
            self.assertLess(time.monotonic() - start, 60)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertNotIn(self.PASSWORD, result.stdout + result.stderr)
        return result

    def check_failed(self, handle, text, *options, **more):
        """Exit 3 and one clear line."""
        result = self.probe(handle, *options, status=FAILED, **more)
        self.assertRegex(result.stderr, rf"\Asasl-lmdb: probe: 127\.0\.0\.1 port \d+: {text}.*\n\Z")
        return result

    def check_found(self, handle, *problems, options=(), **more):
        result = self.probe(handle, "--json", *options, status=FOUND, **more)
        report = json.loads(result.stdout)
        self.assertEqual(sorted({one["id"] for one in report["problems"]}), sorted(problems))
        return report

    def test_never_answers(self):
        self.check_failed(lambda server, file: file.read(), "no answer in time", timeout=2)

    def test_never_answers_again(self):
        def handle(server, file):
            file.write(b"220 fake\r\n")
            file.read()
        self.check_failed(handle, "no answer in time", timeout=2)

    def test_never_ends_a_line(self):
        def handle(server, file):
            while True:
                file.write(b"2")
                time.sleep(0.3)
        self.check_failed(handle, "no answer in time", timeout=2)

    def test_never_answers_to_tls(self):
        def handle(server, file):
            file.read()
        self.check_failed(handle, "no answer in time", tls="implicit", timeout=2)

    def test_closes(self):
        self.check_failed(lambda server, file: None, "the server closed the connection")

    def test_garbage(self):
        for name, bytes_ in (("http", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                             ("noise", os.urandom(200).replace(b"2", b"x") + b"\n"),
                             ("no digits", b"abc hello\r\n"), ("empty line", b"\r\n"),
                             ("short", b"22\r\n"), ("NUL", b"220\0\r\n"),
                             ("code 999", b"999 what\r\n"), ("code 100", b"100 what\r\n"),
                             ("two codes", b"220-a\r\n250 b\r\n"),
                             ("endless line", b"220 " + b"x" * 100000),
                             ("endless reply", b"220-x\r\n" * 10000)):
            with self.subTest(name):
                self.check_failed(lambda server, file, data=bytes_: (file.write(data), file.read()),
                                  "does not speak SMTP")

    def test_control_characters_do_not_reach_the_terminal(self):
        result = self.check_failed(lambda server, file: (
            file.write(b"220-\x1b]0;x\x07\r\nXX \x9b2J\r\n"), file.read()), "does not speak SMTP")
        self.assertNotRegex(result.stdout + result.stderr, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")

    def test_no_tls_where_it_should_be(self):
        self.check_failed(smtp_server(), "TLS handshake: the server answers in the clear",
                          tls="implicit")

    def test_refuses_to_talk(self):
        self.check_failed(smtp_server(greeting=b"554 go away\r\n"),
                          "the server refuses to talk: 554 go away")

    def test_bytes_before_tls(self):
        """RFC 3207: what stands behind STARTTLS's answer in the clear may be anybody's."""
        def handle(server, file):
            file.write(b"220 fake\r\n")
            file.readline()
            file.write(b"250-fake\r\n250 STARTTLS\r\n")
            file.readline()
            file.write(b"220 go\r\n250 injected\r\n")
            file.read()
        self.check_found(handle, "data-before-tls", tls="auto")

    def test_certificate_for_another_host(self):
        """Trusted, but not for the name or address that was asked for."""
        with harness.workdir.WorkDir() as work:
            certificate, key = work.join("cert.pem"), work.join("key.pem")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=DNS:other.lab.test,IP:127.0.0.9", "-keyout", key,
                 "-out", certificate],
                check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
            with Fake(smtp_server(), tls) as server:
                for host, why in (("127.0.0.1", "IP address mismatch"),
                                  ("localhost", "hostname mismatch")):
                    arguments = ["--tls", "implicit", "--timeout", "60", f"{host}:{server.port}"]
                    result = probe("--ca", certificate, *arguments)
                    self.assertEqual(result.returncode, FOUND, result.stdout + result.stderr)
                    self.assertIn("PROBLEM (certificate)", result.stdout)
                    self.assertIn(why, result.stdout)
                    self.assertEqual(server.received, [])
                result = probe("--insecure", *arguments)
                self.assertEqual(result.returncode, DONE, result.stdout + result.stderr)

    def test_starttls_taken_out(self):
        """On the first connection or a later one: no login then, whatever is offered."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate())
        for later in (False, True):
            with self.subTest(later=later):
                connections, tried = [], []

                def log_in(server, file, line):
                    tried.append(line)
                    file.write(b"535 no\r\n")

                def handle(server, file):
                    connections.append(file)
                    talk = smtp_server("CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1", log_in, greeting=b"")
                    file.write(b"220 fake\r\n")
                    if later and len(connections) == 1:
                        file.readline()
                        file.write(b"250-fake\r\n250 STARTTLS\r\n")
                        file.readline()
                        file.write(b"220 go\r\n")
                        server.secure(file, context, lambda secured: talk(server, secured))
                    else:
                        talk(server, file)

                report = self.check_found(handle, "no-starttls", options=["--insecure"],
                                          tls="auto")
                self.assertEqual((report["logins"], tried), ([], []))
                self.assertEqual(len(report["offers"]), 1 + later)
                self.assertIn("--tls none", " ".join(report["notes"]))

    def test_starttls_refused(self):
        def handle(server, file):
            file.write(b"220 fake\r\n")
            file.readline()
            file.write(b"250-fake\r\n250 starttls\r\n")
            file.readline()
            file.write(b"454 no\r\n")
        self.check_found(handle, "starttls-refused", tls="auto")

    # What a server does, up to a stage; the words are those of the error.
    STAGES = ("the greeting", "EHLO", "STARTTLS", "the TLS handshake", "EHLO under TLS", "AUTH",
              "relaying without a login", "relaying after a failed login")

    def until(self, stage, end):
        """handle() of a server that is sound until this stage, where end(file) takes over."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate())
        verbs = {"EHLO": b"250-fake\r\n250-STARTTLS\r\n250 AUTH SCRAM-SHA-256\r\n",
                 "STARTTLS": b"220 go\r\n", "AUTH": b"535 no\r\n", "MAIL": b"250 ok\r\n",
                 "RCPT": b"554 no\r\n", "QUIT": b"221 bye\r\n"}

        def talk(file, secured, failed=False):
            for raw in iter(file.readline, b""):
                verb = raw.decode().split()[0].upper()
                now = {"EHLO": "EHLO under TLS" if secured else "EHLO",
                       "MAIL": "relaying after a failed login" if failed
                       else "relaying without a login"}.get(verb, verb)
                if now == stage:
                    return end(file)
                file.write(verbs[verb])
                failed = failed or verb == "AUTH"
                if verb == "STARTTLS":
                    return verb
            return None

        def handle(server, file):
            if stage == "the greeting":
                end(file)
                return
            file.write(b"220 fake\r\n")
            if talk(file, False) == "STARTTLS":
                if stage == "the TLS handshake":
                    end(file)
                    return
                server.secure(file, context, lambda secured: talk(secured, True))
        return handle

    def test_closes_at_each_stage(self):
        for stage in self.STAGES:
            with self.subTest(stage):
                self.check_failed(self.until(stage, lambda file: None),
                                  rf".*(closed the connection|eof|reset).* \(at {stage}\)",
                                  "--insecure", tls="auto")

    def test_stops_answering_at_each_stage(self):
        """All stages at once: the time has to be long enough for those that do answer."""
        def stall(stage_and_handle):
            return self.probe(stage_and_handle[1], "--insecure", "--json", status=FAILED,
                              tls="auto", timeout=20)

        stages = [(stage, self.until(stage, lambda file: file.readall())) for stage in self.STAGES]
        with concurrent.futures.ThreadPoolExecutor(len(stages)) as pool:
            results = list(pool.map(stall, stages))
        for stage, result in zip(self.STAGES, results):
            report = json.loads(result.stdout)
            self.assertEqual((report["complete"], report["ok"]), (False, False))
            self.assertEqual(report["error"], f"no answer in time (--timeout) (at {stage})")

    def test_says_421_at_each_stage(self):
        def end(file):
            file.write(b"421 4.3.2 going down\r\n")

        for stage, status, words in (
                ("the greeting", FAILED, "refuses to talk: 421 4.3.2 going down"),
                ("EHLO", FAILED, "EHLO: 421 4.3.2"), ("EHLO under TLS", FAILED, "EHLO: 421 4.3.2"),
                ("STARTTLS", FOUND, "STARTTLS is offered and then refused"),
                ("AUTH", FOUND, "SCRAM-SHA-256: the server ends the session"),
                ("relaying without a login", DONE, "nothing is proved"),
                ("relaying after a failed login", FOUND, "nothing is proved")):
            with self.subTest(stage):
                result = self.probe(self.until(stage, end), "--insecure", tls="auto",
                                    status=status,
                                    user=None if stage == "relaying without a login" else "alice")
                self.assertIn(words, result.stdout + result.stderr)

    def test_refusals_in_words(self):
        for reply, words in (("535 5.7.8 no", "does not take this user name with this password"),
                             ("454 4.7.0 later", "could not check it now"),
                             ("504 5.5.4 what", "offers the mechanism and does not have it"),
                             ("530 5.7.0 no", "wants TLS first"), ("459 hm", "refuses for now"),
                             ("599 hm", "the server refuses")):
            report = self.check_found(smtp_server("CRAM-MD5", says(reply)), "login-failed")
            self.assertIn(words, report["logins"][0]["reason"])
            self.assertIn(words, report["problems"][0]["text"])
            self.assertIn(reply, report["problems"][0]["text"])

    def test_old_form_of_auth(self):
        report = self.check_found(smtp_server(extra="250-AUTH=CRAM-MD5\r\n", auth=says("535 no")),
                                  "auth-old-form", "login-failed")
        self.assertEqual(report["offers"][0]["auth"], "CRAM-MD5")
        self.check_found(smtp_server("CRAM-MD5", extra="250-AUTH=CRAM-MD5\r\n",
                                     auth=says("535 no")), "login-failed")

    def test_recipient_taken_and_data_refused(self):
        """A recipient that is taken is what counts; DATA would be a mail."""
        server = Fake(smtp_server(relay="250 ok"))
        with server:
            result = probe("--tls", "none", f"127.0.0.1:{server.port}", outside=True)
        self.assertEqual(result.returncode, FOUND, result.stdout)
        self.assertIn("unless the server refuses at DATA, which is not tried", result.stdout)
        self.assertNotIn("DATA", server.received)

    def test_hangs_up_at_quit(self):
        def handle(server, file):
            smtp_server()(server, Rude(file))

        class Rude:
            def __init__(self, file):
                self.write = lambda data: data.startswith(b"221") or file.write(data)
                self.lines = file

            def __iter__(self):
                return iter(self.lines)
        self.probe(handle, status=DONE, user=None)

    def test_carriage_return(self):
        """No client could send it: said before anything is tried."""
        with Fake(smtp_server("PLAIN", says("535 no"))) as server:
            result = probe("--tls", "none", f"127.0.0.1:{server.port}", "alice",
                           secret="secret\r\n")
        self.assertEqual((result.returncode, result.stdout), (FOUND, ""), result)
        self.assertRegex(result.stderr, r"\A[^\n]*ends in a carriage return: [^\n]*\n\Z")
        self.assertEqual(server.received, [])

    def test_expired_certificate(self):
        with harness.workdir.WorkDir() as work:
            request, certificate, key = (work.join(n) for n in ("csr.pem", "cert.pem", "key.pem"))
            for command in (["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                             "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request],
                            ["x509", "-req", "-in", request, "-signkey", key, "-days", "-1",
                             "-out", certificate]):
                subprocess.run(["openssl", *command], check=True, stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=60)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
            with Fake(smtp_server(), tls) as server:
                result = probe("--ca", certificate, "--tls", "implicit",
                               f"localhost:{server.port}")
        self.assertEqual(result.returncode, FOUND, result.stdout + result.stderr)
        self.assertIn("certificate has expired", result.stdout)

    def test_versions_of_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate())
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.options |= ssl.OP_NO_TLSv1_2 | ssl.OP_NO_TLSv1_3
        with Fake(smtp_server(), context) as server:
            result = probe("--tls", "implicit", f"127.0.0.1:{server.port}")
        self.assertEqual(result.returncode, FAILED, result.stdout + result.stderr)
        self.assertIn("neither TLS 1.2 nor 1.3", result.stderr)

    def test_takes_any_password(self):
        report = self.check_found(smtp_server("PLAIN", says("235 welcome")),
                                  "any-password", "plain-without-tls", user=None)
        self.assertEqual(len(report["relay"]), 1)

    def test_relays_after_a_failed_login(self):
        state = {}

        def fail(server, file, line):
            state["failed"] = True
            file.write(b"535 no\r\n")

        def handle(server, file):
            state["failed"] = False
            relay = smtp_server("CRAM-MD5", fail)

            class Pipe:
                def __iter__(self):
                    return iter(file)

                def write(self, data):
                    if data == b"554 no\r\n" and state["failed"]:
                        data = b"250 gladly\r\n"
                    file.write(data)
            relay(server, Pipe())
        report = self.check_found(handle, "open-relay", user=None)
        self.assertEqual([test["refused"] for test in report["relay"]], [True, False])

    def test_some_logins_fail(self):
        """Which ones, once for each reason."""
        def auth(server, file, line):
            mechanism = line.split(" ")[1]
            answers = {"PLAIN": b"235 ok\r\n", "LOGIN": b"534 weak\r\n"}
            file.write(answers.get(mechanism, b"535 no\r\n"))
        report = self.check_found(smtp_server("PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", auth),
                                  "login-failed", "plain-without-tls", "any-password")
        said = [one["text"] for one in report["problems"] if one["id"] == "login-failed"]
        self.assertEqual(len(said), 2, said)
        self.assertTrue(said[0].startswith("LOGIN, initial response; LOGIN, no initial response: "
                                           "the mechanism is too weak"), said)
        self.assertTrue(said[1].startswith("CRAM-MD5; SCRAM-SHA-256: the password is right, since "
                                           "the server takes it with PLAIN; "), said)
        self.assertTrue(said[1].endswith(": 535 no"), said)

    def test_yes_without_proof(self):
        """A server that does not know the password can say 235; SCRAM notices."""
        for auth in (says("235 welcome"),):
            report = self.check_found(smtp_server("SCRAM-SHA-256", auth), "login-failed",
                                      user="alice")
            self.assertIn("before it has shown", report["logins"][0]["reply"])

    def test_bad_challenges(self):
        for name, challenge in (("not base64", "334 ???"), ("empty", "334 "),
                                ("noise", "334 " + b64(b"\xff" * 50)),
                                ("long", "334 " + "A" * 12000),
                                ("server nonce replaced", "334 " + b64("r=x,s=AAAA,i=4096"))):
            with self.subTest(name):
                report = self.check_found(smtp_server("SCRAM-SHA-256", says(challenge)),
                                          "login-failed")
                self.assertFalse(report["logins"][0]["ok"])

    def test_never_ends_the_exchange(self):
        def auth(server, file, line):
            file.write(b"334 VXNlcm5hbWU6\r\n")
            for _ in range(50):
                if file.readline().startswith(b"*"):
                    break
                file.write(b"334 \r\n")
            file.write(b"501 cancelled\r\n")
        self.check_found(smtp_server("LOGIN", auth), "login-failed", "login-prompt",
                         "plain-without-tls")

    def test_login_with_other_words(self):
        def auth(server, file, line):
            if line.upper() == "AUTH LOGIN":
                file.write(f"334 {b64('User Name')}\r\n".encode())
                if file.readline().startswith(b"*"):
                    file.write(b"501 cancelled\r\n")
                    return
            file.write(f"334 {b64('Password:')}\r\n".encode())
            line = file.readline().decode().strip()
            right = line == b64(self.PASSWORD)
            file.write(b"235 ok\r\n" if right else b"501 cancelled\r\n" if line == "*"
                       else b"535 no\r\n")
        report = self.check_found(smtp_server("LOGIN", auth), "login-prompt", "plain-without-tls")
        self.assertTrue(all(login["ok"] for login in report["logins"]), report)

    def challenges(self, mechanism, first):
        """What a server asks in this mechanism, the initial response being known."""
        if mechanism == "LOGIN":
            return ["Password:"] if first else ["Username:", "Password:"]
        if mechanism == "CRAM-MD5":
            return ["<1896.697170952@fake>"]
        if mechanism == "DIGEST-MD5":
            return ['realm="fake",nonce="OA6MG9tEQGm2hh",qop="auth",charset=utf-8,'
                    'algorithm=md5-sess']
        if mechanism == "PLAIN":
            return [] if first else [""]
        nonce = re.search(r"r=([^,]*)", first).group(1)
        return [f"r={nonce}more,s={b64(b'salt' * 4)},i=4096"]

    def ways_to_repeat(self, message):
        """The forms in which a server may say a message again, as texts of a reply."""
        text = message.decode("utf-8", "replace").replace("\0", " ")
        coded = b64(message)
        half = len(coded) // 2
        return {
            "as it came": coded,
            "decoded": text,
            "unknown command": f"unknown command: {coded[:-4]}",
            "in upper case": coded.upper(),
            "decoded in lower case": text.lower(),
            "coded twice": b64(coded),
            "in a longer text": b64(b"you said " + message),
            "in hexadecimal": message.hex(),
            "on two lines": (coded[:half], coded[half:]),
        }

    def test_server_that_repeats_the_secret(self):
        """Whatever was sent, in whatever form, at once, at the end or on a later connection."""
        places = ("reply", "challenge", "success", "later")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            tries = [(mechanism, place, way)
                     for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256")
                     for place in places for way in self.ways_to_repeat(b"")]
            for one, done in zip(tries, pool.map(lambda one: self.repeat(*one), tries)):
                with self.subTest(one):
                    texts, secrets = done
                    self.assertTrue(secrets)
                    for text in texts:
                        for secret in secrets:
                            self.assertNotIn(secret.lower(), text.lower())

    def repeat(self, mechanism, place, way):
        """What the probe prints at such a server, for people and as JSON, and the secrets."""
        sent = []

        def reply(file, code, message):
            text = self.ways_to_repeat(message)[way]
            lines = text if isinstance(text, tuple) else (text,)
            for line in lines[:-1]:
                file.write(f"{code}-{line}\r\n".encode())
            file.write(f"{code} {lines[-1]}\r\n".encode())

        def auth(server, file, line):
            words = line.split(" ")
            first = base64.b64decode(words[2]) if len(words) > 2 else None
            messages = [first] if first else []
            for challenge in self.challenges(mechanism, first.decode() if first else None):
                file.write(f"334 {b64(challenge)}\r\n".encode())
                answer = file.readline().decode().strip()
                if answer == "*":
                    file.write(b"501 cancelled\r\n")
                    return
                messages.append(base64.b64decode(answer))
            sent.append(messages[-1])
            if place == "challenge":
                reply(file, 334, messages[-1])
                file.readline()
            if place in ("reply", "success"):
                reply(file, 235 if place == "success" else 535, messages[-1])
            else:
                file.write(b"535 no\r\n")

        def handle(server, file):
            plain = smtp_server(mechanism, auth)
            if place == "later" and sent:
                reply(file, 220, sent[0])
                plain = smtp_server(mechanism, auth, greeting=b"")
            plain(server, file)

        texts = []
        secrets = {self.PASSWORD, b64(self.PASSWORD), self.PASSWORD.encode().hex()}
        for options in ([], ["--json"]):
            sent.clear()
            result = self.probe(handle, *options, status=FOUND)
            texts.append(result.stdout + result.stderr)
            for message in sent:
                # Of the logins with the password; the last one has another.
                proof = re.search(rb"(?:p=|response=| )([A-Za-z0-9+/]{20,})", message)
                if mechanism not in ("PLAIN", "LOGIN"):
                    secrets |= {proof.group(1).decode(), proof.group(1).hex()}
                elif self.PASSWORD.encode() not in message:
                    continue
                secrets |= {b64(message), b64(b64(message)), message.hex()}
        return texts, secrets

    def test_proof_of_the_server_in_an_odd_place(self):
        """What only the server can make of the password, and somebody could guess with."""
        proof = b64(b"v=" + base64.b64encode(b"server signature of 32 bytes...."))

        def auth(server, file, line):
            nonce = re.search(rb"r=([^,]*)", base64.b64decode(line.split(" ")[2])).group(1).decode()
            file.write(f"334 {b64(f'r={nonce}more,s=QUFBQQ==,i=4096')}\r\n".encode())
            file.readline()
            file.write(server.says)

        for says_it in (f"235 {proof}\r\n", f"235-{proof}\r\n235 ok\r\n",
                        f"535 {base64.b64decode(proof).decode()}\r\n", f"334-x\r\n334 {proof}\r\n"):
            with self.subTest(says_it):
                def handle(server, file, says_it=says_it):
                    server.says = says_it.encode()
                    smtp_server("SCRAM-SHA-256", auth)(server, file)
                for options in ([], ["--json"]):
                    result = self.probe(handle, *options, status=FOUND)
                    self.assertIn("AUTH SCRAM-SHA-256 ********", result.stdout)
                    for secret in (proof, base64.b64decode(proof).decode()[2:-1]):
                        self.assertNotIn(secret, result.stdout + result.stderr)

    def test_the_code_stays_where_the_words_are_hidden(self):
        report = self.check_found(smtp_server("PLAIN", says(f"535 {self.PASSWORD}?")),
                                  "login-failed", "plain-without-tls")
        self.assertIn(["S", "535 (hidden, for it repeats what was sent)"], report["dialogue"])
        self.assertEqual(report["logins"][0]["reply"], "535 (hidden, for it repeats what was sent)")

    def first_message(self, mechanism, version):
        """What the probe begins this mechanism with under this TLS, and the last server's end."""
        first = []

        def auth(server, file, line):
            first.append((line.split(" ")[1], base64.b64decode(line.split(" ")[2])))
            nonce = re.search(rb"r=([^,]*)", first[-1][1]).group(1)
            challenge = b"r=" + nonce + b"more,s=" + base64.b64encode(b"salt" * 4) + b",i=4096"
            file.write(b"334 " + base64.b64encode(challenge) + b"\r\n")
            final = base64.b64decode(file.readline())
            first[-1] += (base64.b64decode(re.search(rb"c=([^,]*)", final).group(1)),
                          server.unique)
            file.write(b"535 no\r\n")

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate())
        context.minimum_version = context.maximum_version = version
        with Fake(smtp_server(mechanism, auth), tls=context) as server:
            result = probe("--tls", "implicit", "--insecure", f"127.0.0.1:{server.port}", "alice",
                           secret=self.PASSWORD)
        self.assertEqual(result.returncode, FOUND, result.stdout + result.stderr)
        return first[0]

    def certificate(self):
        directory = tempfile.mkdtemp(prefix="sasl-lmdb-probe-")
        self.addCleanup(shutil.rmtree, directory)
        paths = [os.path.join(directory, name) for name in ("cert.pem", "key.pem")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                        "/CN=fake", "-out", paths[0], "-keyout", paths[1]],
                       check=True, capture_output=True)
        return paths

    def test_channel_binding(self):
        old, new = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
        for mechanism in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
            name, first, sent, unique = self.first_message(mechanism, old)
            self.assertEqual(name, mechanism)
            self.assertEqual(first[:15], b"p=tls-unique,,n")
            self.assertEqual(sent, b"p=tls-unique,," + unique)
            _, first, sent, _ = self.first_message(mechanism, new)
            self.assertEqual(first[:17], b"p=tls-exporter,,n")
            self.assertEqual((sent[:16], len(sent)), (b"p=tls-exporter,,", 16 + 32))
        # Without the suffix the client says that it cannot bind, not that the server cannot.
        self.assertEqual(self.first_message("SCRAM-SHA-256", old)[1][:3], b"n,,")

    def test_nothing_to_bind_to_in_the_clear(self):
        result = self.probe(smtp_server("SCRAM-SHA-256-PLUS", says("535 no")), status=DONE)
        self.assertIn("SCRAM-SHA-256-PLUS not tried: the connection has nothing to bind to",
                      result.stdout)

    def test_root_is_given_up(self):
        """Whoever looks while the server is slow sees the user nobody; the certificates are read."""
        directory = tempfile.mkdtemp(prefix="sasl-lmdb-probe-")
        self.addCleanup(shutil.rmtree, directory)
        ca = shutil.copy(self.certificate()[0], os.path.join(directory, "ca.pem"))
        os.chmod(ca, 0o600)
        seen = []

        def handle(server, file):
            pid = int(seen_pid.get(timeout=60))
            with open(f"/proc/{pid}/status") as status:
                seen.append(re.findall(r"^(?:Uid|Gid|Groups):\s*(.*?)\s*$", status.read(), re.M))
            file.write(b"554 no\r\n")

        seen_pid = queue.Queue()
        with Fake(handle) as server:
            process = subprocess.Popen([PROBE, "probe", "--tls", "none", "--ca", ca,
                                        f"127.0.0.1:{server.port}"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env={**os.environ, "SASL_PATH": store.PLUGINS})
            seen_pid.put(process.pid)
            self.assertEqual(process.wait(60), FAILED)
        nobody = pwd.getpwnam("nobody")
        uids = "\t".join([str(nobody.pw_uid)] * 4)
        gids = "\t".join([str(nobody.pw_gid)] * 4)
        self.assertEqual(seen, [[uids, gids, str(nobody.pw_gid)]])

    def test_nobody_knows_the_mechanism(self):
        report = json.loads(self.probe(smtp_server("X-NEW GSSAPI"), "--json", status=DONE).stdout)
        self.assertEqual(report["logins"], [])
        self.assertEqual(sum("not tried" in note for note in report["notes"]), 3)

    def test_password_never_leaves_in_the_clear_unasked(self):
        server = Fake(smtp_server("PLAIN LOGIN", says("535 no")))
        with server:
            result = probe("--timeout", "60", f"127.0.0.1:{server.port}", "alice",
                           secret=self.PASSWORD)
        self.assertEqual(result.returncode, FOUND, result.stdout)
        self.assertFalse([line for line in server.received if line.startswith("AUTH")])


class UsageTest(harness.unittest.TestCase):
    def test_no_server(self):
        port = postfix.free_ports(1)[0]
        result = probe(f"127.0.0.1:{port}")
        self.assertEqual(result.returncode, FAILED)
        self.assertEqual(result.stderr, f"sasl-lmdb: probe: 127.0.0.1 port {port}: "
                                        "Connection refused\n")

    def test_unknown_host(self):
        result = probe("--timeout", "5", "no-such-host.invalid")
        self.assertEqual(result.returncode, FAILED)
        self.assertRegex(result.stderr,
                         r"\Asasl-lmdb: probe: no-such-host\.invalid port 587: [A-Z].*\n\Z")

    def test_unusable_ca_file(self):
        with Fake(lambda server, file: file.read()) as server:
            result = probe("--tls", "implicit", "--ca", "/nonexistent/ca.pem",
                           f"127.0.0.1:{server.port}")
        self.assertEqual(result.returncode, FAILED)
        self.assertRegex(result.stderr, r"\A[^\n]*/nonexistent/ca\.pem: .*\n\Z")

    def test_wrong_usage(self):
        for arguments in ([], ["a", "b", "c"], [""], [":25"], ["host:"], ["host:0"],
                          ["host:65536"], ["host:smtp"], ["[::1"], ["[::1]25"], ["ho\nst"],
                          ["h", ""], ["--tls", "maybe", "h"], ["--timeout", "0", "h"],
                          ["--timeout", "1s", "h"], ["--from", "a b@c", "h"], ["--to", "a>@c", "h"],
                          ["--to", "", "h"], ["--from", "a@b\r\nDATA", "h"], ["--password", "x"],
                          ["h" * 300]):
            with self.subTest(arguments):
                result = probe(*arguments)
                self.assertEqual(result.returncode, USAGE, result.stdout + result.stderr)
                self.assertRegex(result.stderr, r"\Asasl-lmdb: probe: [^\n]+\n\Z")
                self.assertEqual(result.stdout, "")
                if arguments and arguments[0] in ("--tls", "--timeout", "--from", "--to"):
                    self.assertIn(f"probe: {arguments[0]} takes ", result.stderr)

    def test_help(self):
        result = probe("--help")
        self.assertEqual(result.returncode, DONE)
        self.assertTrue(re.match(r"Usage: sasl-lmdb probe ", result.stdout))


if __name__ == "__main__":
    harness.require_ours()
    harness.main()
