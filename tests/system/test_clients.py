# SPDX-License-Identifier: BSD-2-Clause
"""One real client, named on the command line, with every mechanism it speaks."""

import itertools
import sys

import clients
import harness
import postfix

NAMES = {name.lower().replace("::", "-"): name for name in clients.SMTP_CLIENTS}
WORD = next((argument for argument in sys.argv[1:] if argument in NAMES), None)
NAME = NAMES.get(WORD)
CLIENT, MECHANISMS = clients.SMTP_CLIENTS.get(NAME, (None, ()))

REFUSED = "535 5.7.8 Error: authentication failed: authentication failure"


class ClientTest(harness.PostfixCase):
    def login(self, mechanism, user, password, tls=True):
        return CLIENT(self.postfix, mechanism, user, password, tls)

    def test_right_password(self):
        for mechanism, tls in itertools.product(MECHANISMS, (False, True)):
            with self.subTest(f"{mechanism} tls={tls}"):
                since = self.postfix.log.mark()
                got = self.login(mechanism, self.USER, self.PASSWORD, tls)
                self.assertEqual((got.ok, got.code), (True, 235), got.transcript)
                if NAME != "gsasl":  # which logs in and quits
                    self.postfix.log.wait_for(
                        f"sasl_method={mechanism}, sasl_username={self.USER}$", since)

    def test_wrong_and_unknown_get_the_same_reply(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                wrong = self.login(mechanism, self.USER, self.PASSWORD + "x")
                unknown = self.login(mechanism, "nosuchuser", self.PASSWORD)
                self.assertEqual((wrong.ok, wrong.reply), (False, REFUSED), wrong.transcript)
                self.assertEqual((unknown.ok, unknown.reply), (False, REFUSED), unknown.transcript)

    def test_user_known_in_another_realm_only(self):
        self.store.add("elsewhere", "other." + postfix.HOSTNAME, self.PASSWORD)
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                got = self.login(mechanism, "elsewhere", self.PASSWORD)
                self.assertEqual((got.ok, got.reply), (False, REFUSED), got.transcript)


if __name__ == "__main__":
    if NAME is None:
        sys.exit(f"usage: test_clients.py {'|'.join(NAMES)}")
    sys.argv.remove(WORD)
    harness.require()
    if clients.missing(NAME):
        harness.skip(clients.missing(NAME))
    harness.main()
