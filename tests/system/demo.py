# SPDX-License-Identifier: BSD-2-Clause
"""What ./demo.sh shows: mail through a private, chrooted Postfix, with every mechanism.

Makes a store with one user in a temporary directory, has real clients send one mail with each
mechanism, tries what must be refused, looks for secrets in the store's files, and prints a table.
Exits 1 if any line of it is not as it should be.
"""

import os
import secrets
import sys

import clients
import postfix
import store
import verifiers
import workdir
from smtp_talk import SmtpTalk, b64

USER = "demo"
PASSWORD = "correct-horse-" + secrets.token_hex(6)
FOREIGN = "RCPT TO:<somebody@relay.test>"

# mechanism, client, whether inside TLS
ROUTES = (
    ("PLAIN", "swaks", False),
    ("LOGIN", "curl", True),
    ("CRAM-MD5", "swaks", False),
    ("DIGEST-MD5", "curl", True),
    ("SCRAM-SHA-1", "msmtp", True),
    ("SCRAM-SHA-256", "msmtp", True),
)
SHOWN = "CRAM-MD5"


class Table:
    """Prints lines as they come; remembers whether all were good."""

    def __init__(self):
        self.good = True

    def line(self, what, how, outcome, good):
        self.good = self.good and good
        print(f"  {what:<15} {how:<31} {outcome:<32} {'ok' if good else 'FAILED'}", flush=True)


def send_mails(server, table):
    """One mail with each mechanism, and one attempt with a wrong password; returns a transcript."""
    shown = ""
    for mechanism, name, tls in ROUTES:
        client = clients.SMTP_CLIENTS[name][0]
        since = server.log.mark()
        sent = client(server, mechanism, USER, PASSWORD, tls)
        outcome = f"{sent.code or 'no reply'}"
        good = sent.ok and sent.code == 235
        try:
            server.log.wait_for(f"sasl_method={mechanism}, sasl_username={USER}$", since)
            server.log.wait_for("to=<somebody@relay.test>.*status=sent", since)
            outcome += ", mail accepted and delivered"
        except AssertionError:
            good, outcome = False, outcome + ", no mail delivered"
        table.line(mechanism, name, outcome, good)
        refused = client(server, mechanism, USER, PASSWORD + "x", tls)
        table.line("", "the same, wrong password", f"{refused.code or 'no reply'}, refused",
                   not refused.ok and refused.code == 535)
        if mechanism == SHOWN:
            shown = sent.transcript
    return shown


def try_to_relay(server, table):
    """What an open relay would let through."""
    with SmtpTalk(server.port) as talk:
        talk.line("MAIL FROM:<sender@lab.test>")
        reply = talk.line(FOREIGN)
        table.line("relay", "without AUTH", f"{reply.code}, refused", reply.code == 554)
    with SmtpTalk(server.port) as talk:
        login = talk.line("AUTH PLAIN " + b64(f"\0{USER}\0wrong"))
        talk.line("MAIL FROM:<sender@lab.test>")
        reply = talk.line(FOREIGN)
        table.line("relay", "after AUTH with wrong password",
                   f"{login.code}, then {reply.code}, refused", (login.code, reply.code) == (535, 554))
    with SmtpTalk(server.port) as talk:
        unknown = talk.line("AUTH PLAIN " + b64(f"\0nosuchuser\0{PASSWORD}"))
        table.line("unknown user", "AUTH PLAIN", f"{unknown.code}, as for a wrong password",
                   unknown.raw == login.raw)


def look_for_secrets(credentials, table):
    """The password in several forms, unsalted hashes of it, and the user's name."""
    needles = verifiers.password_forms(PASSWORD)
    needles.update(verifiers.digest_forms(USER, postfix.HOSTNAME, PASSWORD))
    needles.update({"user": f"{USER}@{postfix.HOSTNAME}".encode(),
                    "realm": postfix.HOSTNAME.encode()})
    for path in (credentials.path, credentials.path + "-lock"):
        with open(path, "rb") as file:
            data = file.read()
        found = verifiers.find(data, needles)
        table.line("store", f"{os.path.basename(path)}, {len(data)} bytes",
                   "holds " + (", ".join(found) or "neither password nor name"), not found)
    mode = os.stat(credentials.path).st_mode & 0o777
    table.line("store", f"mode {mode:04o}, outside the jail", "only root can read it",
               mode == 0o600 and os.stat(credentials.path).st_uid == 0)


def main():
    workdir.exit_on_sigterm()
    table = Table()
    with workdir.WorkDir() as work:
        credentials = store.LmdbStore(work)
        credentials.create()
        credentials.add(USER, postfix.HOSTNAME, PASSWORD)
        confs = {"smtpd": credentials.conf()}
        with postfix.Postfix(work, confs, credentials.plugin_path) as server:
            print(f"\nPostfix on 127.0.0.1:{server.port}, smtpd chrooted in {server.queue}")
            print(f"Store {credentials.path}, user {USER}, password {PASSWORD}\n")
            transcript = send_mails(server, table)
            try_to_relay(server, table)
            look_for_secrets(credentials, table)
            crashes = server.crashes()
            table.line("server", "processes that died", str(len(crashes)), not crashes)
            if not table.good:
                print("\nLog:\n" + server.log.text())
    print(f"\nThe dialogue of {SHOWN}:\n")
    print("\n".join("  " + line.rstrip() for line in transcript.splitlines()))
    print("\nEverything as it should be." if table.good else "\nSomething FAILED, see above.")
    return 0 if table.good else 1


if __name__ == "__main__":
    sys.exit(main())
