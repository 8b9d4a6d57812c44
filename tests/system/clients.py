# SPDX-License-Identifier: BSD-2-Clause
"""Real mail clients: each sends one message through a server with a mechanism of our choice.

Every function takes (server, mechanism, user, password) and returns a Result. server is a
postfix.Postfix; names are loopback, so certificates are checked against "localhost".
"""

import collections
import os
import re
import smtplib
import subprocess

SECONDS = 30
SENDER = "sender@lab.test"
RECIPIENT = "somebody@relay.test"  # a foreign domain: accepted only after a login
MESSAGE = f"From: {SENDER}\nTo: {RECIPIENT}\nSubject: test\n\nHello.\n"

# ok: the client says that the message was sent.  code, reply: the server's last answer to AUTH.
Result = collections.namedtuple("Result", "ok code reply transcript")

AUTH_REPLY = re.compile(r"\b((?:235|454|5[0-9]{2}) [245]\.7\.[0-9]+ [^\r\n]*)")


def _result(ok, transcript):
    """Picks the answer to AUTH, the first of its kind, out of what the client printed."""
    found = AUTH_REPLY.search(transcript)
    reply = found[1].strip() if found else ""
    return Result(ok, int(reply[:3]) if reply else 0, reply, transcript)


def _run(command, data=MESSAGE, env=None):
    done = subprocess.run(
        command,
        input=data,
        text=True,
        errors="backslashreplace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        env={**os.environ, **(env or {})},
    )
    return _result(done.returncode == 0, done.stdout)


def swaks(server, mechanism, user, password):
    return _run([
        "swaks", "--server", f"127.0.0.1:{server.port}", "--ehlo", "client.lab.test",
        "--from", SENDER, "--to", RECIPIENT, "--auth", mechanism,
        "--auth-user", user, "--auth-password", password, "--body", "Hello."], data="")


def curl(server, mechanism, user, password):
    return _run([
        "curl", "--verbose", "--silent", "--show-error", "--ssl-reqd",
        "--cacert", server.certificate, "--login-options", f"AUTH={mechanism}",
        "--user", f"{user}:{password}", "--mail-from", SENDER, "--mail-rcpt", RECIPIENT,
        "--upload-file", "-", f"smtp://localhost:{server.port}"])


def msmtp(server, mechanism, user, password):
    return _run([
        "msmtp", "--file=/dev/null", "--debug", "--host=localhost", f"--port={server.port}",
        "--tls=on", "--tls-starttls=on", f"--tls-trust-file={server.certificate}",
        f"--auth={mechanism.lower()}", f"--user={user}",
        '--passwordeval=printf "%s\\n" "$TEST_PASSWORD"', f"--from={SENDER}", RECIPIENT],
        env={"TEST_PASSWORD": password})


def gsasl(server, mechanism, user, password):
    """Only logs in. --no-cb: with channel-binding data at hand it would abort plain SCRAM."""
    return _run([
        "gsasl", "--smtp", f"--connect=localhost:{server.port}", "--starttls",
        f"--x509-ca-file={server.certificate}", "--no-cb", "--mechanism", mechanism,
        "--authentication-id", user, "--password", password, "--service", "smtp", "--verbose"],
        data="")


def python_smtplib(server, mechanism, user, password):
    """PLAIN, LOGIN and CRAM-MD5, over the connection of smtplib.SMTP."""
    transcript = []
    try:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=SECONDS) as client:
            client.ehlo("client.lab.test")
            client.user, client.password = user, password
            method = getattr(client, "auth_" + mechanism.lower().replace("-", "_"))
            code, text = client.auth(mechanism, method)
            transcript.append(f"{code} {text.decode()}")
            client.sendmail(SENDER, [RECIPIENT], MESSAGE)
    except smtplib.SMTPAuthenticationError as error:
        transcript.append(f"{error.smtp_code} {error.smtp_error.decode()}")
        return _result(False, "\n".join(transcript))
    return _result(True, "\n".join(transcript))


OLD = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5")
ALL = OLD + ("SCRAM-SHA-1", "SCRAM-SHA-256")

# name -> (function, mechanisms it speaks)
CLIENTS = {
    "swaks": (swaks, OLD),
    "curl": (curl, OLD),
    "msmtp": (msmtp, ALL),
    "gsasl": (gsasl, ALL),
    "smtplib": (python_smtplib, ("PLAIN", "LOGIN", "CRAM-MD5")),
}


def missing_perl_modules():
    """Debian packages that swaks needs for CRAM-MD5 and DIGEST-MD5 and that are not there."""
    modules = {"Authen::SASL": "libauthen-sasl-perl", "Digest::HMAC_MD5": "libdigest-hmac-perl"}
    return [
        package for module, package in modules.items()
        if subprocess.run(["perl", "-M" + module, "-e1"], stderr=subprocess.DEVNULL).returncode
    ]
