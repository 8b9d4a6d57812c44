# SPDX-License-Identifier: BSD-2-Clause
"""docs/CLIENTS.md: which real client logs in with which mechanism, found out by doing it.

As a test it compares the file with what it finds. With --write it writes the file.
"""

import imaplib
import os
import shutil
import sys

import clients
import exchanges
import harness
import imapd
import store

PATH = os.path.join(store.ROOT, "docs", "CLIENTS.md")
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)
USER, PASSWORD = "alice", "correct horse"
SECONDS = 30

HEAD = """\
# Clients

Real clients against our plugins, on Debian 12. `ok`: logged in with the right password and was
refused with a wrong one. `-`: the client does not speak it. Written by
`tests/system/test_client_table.py --write`; the test `system-client-table`
compares.

"""

NOTES = """
Notes on the clients:

* swaks needs the Perl modules of `libauthen-sasl-perl` and `libdigest-hmac-perl` for CRAM-MD5 and
  DIGEST-MD5.
* Debian's curl is built without a SCRAM library.
* gsasl aborts plain SCRAM inside TLS as soon as it has channel-binding data: `--no-cb`.
* imaplib brings PLAIN and CRAM-MD5; for the others its `authenticate()` was given the messages.
"""


def cell(log_in):
    """log_in(password) -> whether it let us in."""
    right, wrong = log_in(PASSWORD), log_in(PASSWORD + "x")
    return "ok" if right and not wrong else "FAILED"


class ClientTableTest(harness.PostfixCase):
    USER, PASSWORD = USER, PASSWORD
    users = [(USER, harness.PostfixCase.REALM, PASSWORD)]

    def smtp_rows(self):
        for name, (client, spoken) in clients.CLIENTS.items():
            yield f"{name} (SMTP, Postfix)", [
                cell(lambda password, name=mechanism, client=client: client(
                    self.postfix, name, USER, password).ok) if mechanism in spoken else "-"
                for mechanism in MECHANISMS]

    @staticmethod
    def imaplib_logs_in(server, mechanism, password):
        with imaplib.IMAP4("127.0.0.1", server.port, timeout=SECONDS) as client:
            try:
                client.authenticate(
                    mechanism, exchanges.responder(mechanism, USER, password, "imap"))
                return True
            except imaplib.IMAP4.error:
                return False

    @staticmethod
    def imtest_logs_in(server, mechanism, password):
        _, output = imapd.imtest(
            server.port, mechanism, USER, password, store.PLUGINS, ["a LOGOUT"])
        return "Authenticated." in output

    def imap_rows(self):
        work, made = harness.work_and_store(self, "cyrus", self.users)
        server = self.enterContext(imapd.Imapd(
            work, made.options(mech_list=" ".join(MECHANISMS)), store.PLUGINS))
        for name, log_in in (("imtest", self.imtest_logs_in), ("imaplib", self.imaplib_logs_in)):
            yield f"{name} (IMAP, Cyrus)", [
                cell(lambda password, name=mechanism, log_in=log_in: log_in(
                    server, name, password)) for mechanism in MECHANISMS]

    def test_table(self):
        lines = ["| client | " + " | ".join(MECHANISMS) + " |", "|---" * (len(MECHANISMS) + 1) + "|"]
        lines += [f"| {name} | " + " | ".join(cells) + " |"
                  for name, cells in (*self.smtp_rows(), *self.imap_rows())]
        text = HEAD + "\n".join(lines) + "\n" + NOTES
        self.assertNotIn("FAILED", text, text)
        if WRITE:
            with open(PATH, "w", encoding="utf-8") as file:
                file.write(text)
        with open(PATH, encoding="utf-8") as file:
            self.assertEqual(file.read(), text)


WRITE = "--write" in sys.argv

if __name__ == "__main__":
    if WRITE:
        sys.argv.remove("--write")
    imapd.require()
    for package in clients.missing_perl_modules() if shutil.which("swaks") else ():
        harness.skip(f"swaks lacks a Perl module: apt-get install {package}")
    harness.main("swaks", "curl", "msmtp", "gsasl")
