# SPDX-License-Identifier: BSD-2-Clause
"""One real client, named on the command line, with every mechanism it speaks."""

import sys

import clients
import harness
import postfix

NAME = next((argument for argument in sys.argv[1:] if argument in clients.CLIENTS), None)
CLIENT, MECHANISMS = clients.CLIENTS.get(NAME, (None, ()))

REFUSED = "535 5.7.8 Error: authentication failed: authentication failure"


class ClientTest(harness.PostfixCase):
    def login(self, mechanism, user, password):
        return CLIENT(self.postfix, mechanism, user, password)

    def test_right_password(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                since = self.postfix.log.mark()
                got = self.login(mechanism, self.USER, self.PASSWORD)
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
        sys.exit(f"usage: test_clients.py {'|'.join(clients.CLIENTS)}")
    sys.argv.remove(NAME)
    if NAME == "swaks":
        harness.require("swaks")
        for package in clients.missing_perl_modules():
            harness.skip(f"swaks lacks a Perl module: apt-get install {package}")
    harness.main(*([NAME] if NAME != "smtplib" else []))
