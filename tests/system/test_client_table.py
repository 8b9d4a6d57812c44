# SPDX-License-Identifier: BSD-2-Clause
"""docs/CLIENTS.md: which real client logs in with which mechanism, found out by doing it.

As a test it compares the file with what it finds. With --write it writes the file.
"""

import os
import sys

import clients
import harness
import imapd
import store

PATH = os.path.join(store.ROOT, "docs", "CLIENTS.md")
USER, PASSWORD = "alice", "correct horse"

HEAD = """\
# Clients

Real clients against our plugins, on Debian 12. `ok`: logged in with the right password and was
refused with a wrong one, in clear and inside TLS (STARTTLS). `TLS`: inside TLS only. `-`: the client
does not speak it. Written by `tests/system/test_client_table.py --write`; the test
`system-client-table` compares.

"""

NOTES = """
Notes on the clients:

* swaks, Net::SMTP and Mail::IMAPClient need the Perl modules of `libauthen-sasl-perl` and
  `libdigest-hmac-perl` for CRAM-MD5 and DIGEST-MD5.
* Debian's curl is built without a SCRAM library.
* gsasl aborts plain SCRAM inside TLS as soon as it has channel-binding data: `--no-cb`.
* imtest takes LOGIN for IMAP's command of that name.
* imaplib brings PLAIN and CRAM-MD5; for the others its `authenticate()` was given the messages.
* Mail::IMAPClient takes DIGEST-MD5's security layer where it is offered, which is without TLS, and then
  does not use it. `lmdb_digest_layers: none` helps.
"""


class ClientTableTest(harness.PostfixCase):
    USER, PASSWORD = USER, PASSWORD
    users = [(USER, harness.PostfixCase.REALM, PASSWORD)]

    def setUp(self):
        self.transcripts = []

    def works(self, log_in, server, mechanism, tls):
        """Whether it gets in, and does not with a wrong password."""
        right, wrong = (log_in(server, mechanism, USER, password, tls)
                        for password in (PASSWORD, PASSWORD + "x"))
        if not right.ok or wrong.ok:
            self.transcripts += [right.transcript, wrong.transcript]
        return right.ok and not wrong.ok

    def cell(self, log_in, server, mechanism):
        return {(True, True): "ok", (False, True): "TLS"}.get(
            tuple(self.works(log_in, server, mechanism, tls) for tls in (False, True)), "FAILED")

    def row(self, head, name, client, server, written):
        """A line of the table; for a client that is not installed the one that is written there."""
        missing = clients.missing(name)
        if missing:
            print(f"\nskipped: {missing}", flush=True)
            return next(line for line in written if line.startswith(f"| {head} |"))
        log_in, spoken = client
        cells = [self.cell(log_in, server, mechanism) if mechanism in spoken else "-"
                 for mechanism in clients.ALL]
        return "| " + " | ".join([head, *cells]) + " |"

    def test_table(self):
        work, made = harness.work_and_store(self, "cyrus", self.users)
        imap = self.enterContext(imapd.Imapd(
            work, made.options(mech_list=" ".join(clients.ALL)), store.PLUGINS))
        with open(PATH, encoding="utf-8") as file:
            written = file.read()
        lines = ["| client | " + " | ".join(clients.ALL) + " |", "|---" * (len(clients.ALL) + 1) + "|"]
        for kind, those, server in (("SMTP, Postfix", clients.SMTP_CLIENTS, self.postfix),
                                    ("IMAP, Cyrus", clients.IMAP_CLIENTS, imap)):
            lines += [self.row(f"{name} ({kind})", name, client, server, written.splitlines())
                      for name, client in those.items()]
        text = HEAD + "\n".join(lines) + "\n" + NOTES
        self.assertNotIn("FAILED", text, "\n".join([text, *self.transcripts]))
        if WRITE:
            with open(PATH, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            self.assertEqual(written, text, "\n".join(self.transcripts))


WRITE = "--write" in sys.argv

if __name__ == "__main__":
    if WRITE:
        sys.argv.remove("--write")
    imapd.require()
    harness.main()
