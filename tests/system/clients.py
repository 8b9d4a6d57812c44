# SPDX-License-Identifier: BSD-2-Clause
"""Real mail clients: each logs in with a mechanism of our choice, and over SMTP sends one message.

Every function takes (server, mechanism, user, password, tls) and returns a Result. server is a
postfix.Postfix or an imapd.Imapd; names are loopback, so certificates are checked against "localhost".
"""

import collections
import imaplib
import os
import re
import shutil
import smtplib
import ssl
import subprocess

import exchanges
import imapd
import store

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


def swaks(server, mechanism, user, password, tls):
    return _run([
        "swaks", "--server", f"localhost:{server.port}", "--ehlo", "client.lab.test",
        *(("--tls", "--tls-verify", "--tls-ca-path", server.certificate) if tls else ()),
        "--from", SENDER, "--to", RECIPIENT, "--auth", mechanism,
        "--auth-user", user, "--auth-password", password, "--body", "Hello."], data="")


def _curl(server, mechanism, user, password, tls, url, *arguments):
    return _run([
        "curl", "--verbose", "--silent", "--show-error",
        *(("--ssl-reqd", "--cacert", server.certificate) if tls else ()),
        "--login-options", f"AUTH={mechanism}", "--user", f"{user}:{password}",
        *arguments, f"{url}://localhost:{server.port}"])


def curl(server, mechanism, user, password, tls):
    return _curl(server, mechanism, user, password, tls, "smtp", "--mail-from", SENDER,
                 "--mail-rcpt", RECIPIENT, "--upload-file", "-")


def curl_imap(server, mechanism, user, password, tls):
    return _curl(server, mechanism, user, password, tls, "imap", "--request", "NOOP")


def msmtp(server, mechanism, user, password, tls):
    return _run([
        "msmtp", "--file=/dev/null", "--debug", "--host=localhost", f"--port={server.port}",
        *(("--tls=on", "--tls-starttls=on", f"--tls-trust-file={server.certificate}") if tls
          else ("--tls=off",)),
        f"--auth={mechanism.lower()}", f"--user={user}",
        '--passwordeval=printf "%s\\n" "$TEST_PASSWORD"', f"--from={SENDER}", RECIPIENT],
        env={"TEST_PASSWORD": password})


def _gsasl(server, mechanism, user, password, tls, protocol):
    """Only logs in. --no-cb: with channel-binding data at hand it would abort plain SCRAM."""
    return _run([
        "gsasl", "--" + protocol, f"--connect=localhost:{server.port}",
        *(("--starttls", f"--x509-ca-file={server.certificate}", "--no-cb") if tls
          else ("--no-starttls",)),
        "--mechanism", mechanism, "--authentication-id", user, "--password", password,
        "--service", protocol, "--verbose"], data="")


def gsasl(*arguments):
    return _gsasl(*arguments, "smtp")


def gsasl_imap(*arguments):
    return _gsasl(*arguments, "imap")


def python_smtplib(server, mechanism, user, password, tls):
    """PLAIN, LOGIN and CRAM-MD5, over the connection of smtplib.SMTP."""
    transcript = []
    try:
        with smtplib.SMTP("localhost", server.port, timeout=SECONDS) as client:
            if tls:
                client.starttls(context=ssl.create_default_context(cafile=server.certificate))
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


def _script(interpreter, text, server, mechanism, user, password, tls):
    """Runs a program in another language, which finds what it has to do in its environment."""
    return _run([*interpreter, text], data="", env={
        "PORT": str(server.port), "CERTIFICATE": server.certificate if tls else "",
        "MECHANISM": mechanism, "LOGIN": user, "PASSWORD": password,
        "SENDER": SENDER, "RECIPIENT": RECIPIENT})


NODEMAILER = """\
const e = process.env;
const tls = e.CERTIFICATE !== "";
require("nodemailer").createTransport({
    host: "localhost", port: e.PORT, requireTLS: tls, ignoreTLS: !tls,
    tls: tls ? {ca: require("fs").readFileSync(e.CERTIFICATE)} : {},
    authMethod: e.MECHANISM, auth: {user: e.LOGIN, pass: e.PASSWORD}, logger: true, debug: true,
}).sendMail({from: e.SENDER, to: e.RECIPIENT, text: "Hello."}, (error) => {
    process.exitCode = error ? 1 : 0;
});
"""


def nodemailer(*arguments):
    # Where Debian has it, whosever node it is.
    return _script(["env", "NODE_PATH=/usr/share/nodejs", "node", "-e"], NODEMAILER, *arguments)


NET_SMTP = """\
use Net::SMTP; use Authen::SASL;
my $smtp = Net::SMTP->new("localhost", Port => $ENV{PORT}, Debug => 1) or die;
$ENV{CERTIFICATE} eq "" or $smtp->starttls(SSL_ca_file => $ENV{CERTIFICATE}) or die $@;
$smtp->auth(Authen::SASL->new(mechanism => $ENV{MECHANISM}, callback => {
    user => $ENV{LOGIN}, authname => $ENV{LOGIN}, pass => $ENV{PASSWORD}})) or exit 1;
$smtp->mail($ENV{SENDER}) && $smtp->to($ENV{RECIPIENT}) && $smtp->data("\n", "Hello.\n") or exit 1;
$smtp->quit;
"""


def net_smtp(*arguments):
    return _script(["perl", "-e"], NET_SMTP, *arguments)


IMAPCLIENT = """\
use Mail::IMAPClient;
my $imap = Mail::IMAPClient->new(
    Server => "localhost", Port => $ENV{PORT}, Debug => 1, Showcredentials => 0,
    Starttls => $ENV{CERTIFICATE} eq "" ? undef : [SSL_ca_file => $ENV{CERTIFICATE}],
    Authmechanism => $ENV{MECHANISM}, User => $ENV{LOGIN}, Password => $ENV{PASSWORD}) or exit 1;
$imap->noop or exit 1;
$imap->logout;
"""


def imapclient(*arguments):
    return _script(["perl", "-e"], IMAPCLIENT, *arguments)


def imtest(server, mechanism, user, password, tls):
    _, output = imapd.imtest(server.port, mechanism, user, password, store.PLUGINS, ["a LOGOUT"],
                             *(("-t", "") if tls else ()))
    return _result("Authenticated." in output and ("TLS connection" in output) == tls, output)


def python_imaplib(server, mechanism, user, password, tls):
    with imaplib.IMAP4("localhost", server.port, timeout=SECONDS) as client:
        if tls:
            client.starttls(ssl.create_default_context(cafile=server.certificate))
        try:
            client.authenticate(
                mechanism, exchanges.responder(mechanism, user, password, "imap"))
        except imaplib.IMAP4.error as error:
            return _result(False, str(error))
    return _result(True, "")


OLD = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5")
SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256")
ALL = OLD + SCRAM + ("SCRAM-SHA-512",)

# name -> (function, mechanisms it speaks)
SMTP_CLIENTS = {
    "swaks": (swaks, OLD),
    "curl": (curl, OLD),
    "msmtp": (msmtp, OLD + SCRAM),
    "gsasl": (gsasl, OLD + SCRAM),
    "smtplib": (python_smtplib, ("PLAIN", "LOGIN", "CRAM-MD5")),
    "nodemailer": (nodemailer, ("PLAIN", "LOGIN", "CRAM-MD5")),
    "Net::SMTP": (net_smtp, OLD),
}
IMAP_CLIENTS = {
    "imtest": (imtest, ALL),
    "imaplib": (python_imaplib, ALL),
    "curl": (curl_imap, OLD),
    "gsasl": (gsasl_imap, OLD + SCRAM),
    "Mail::IMAPClient": (imapclient, ("PLAIN", "CRAM-MD5", "DIGEST-MD5")),
}

# name -> what has to be there: a program, a file, or a Perl module; and the Debian package with it
PERL = {"Authen::SASL": "libauthen-sasl-perl", "Digest::HMAC_MD5": "libdigest-hmac-perl",
        "IO::Socket::SSL": "libio-socket-ssl-perl"}
NEEDED = {
    "swaks": {"swaks": "swaks", **PERL, "Net::SSLeay": "libnet-ssleay-perl"},
    "curl": {"curl": "curl"},
    "msmtp": {"msmtp": "msmtp"},
    "gsasl": {"gsasl": "gsasl"},
    "nodemailer": {"node": "nodejs", "/usr/share/nodejs/nodemailer": "node-nodemailer"},
    "Net::SMTP": PERL,
    "Mail::IMAPClient": {**PERL, "Mail::IMAPClient": "libmail-imapclient-perl"},
}


def missing(name):
    """What to say where the client or a part of it is not installed, else None."""
    for needed, package in NEEDED.get(name, {}).items():
        if "::" in needed:
            there = subprocess.run(
                ["perl", "-M" + needed, "-e1"], stderr=subprocess.DEVNULL).returncode == 0
        else:
            there = shutil.which(needed) or os.path.exists(needed)
        if not there:
            return f"{name}: {needed} is missing: apt-get install {package}"
    return None
