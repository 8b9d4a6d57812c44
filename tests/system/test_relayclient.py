# SPDX-License-Identifier: BSD-2-Clause
"""Postfix as the client of a relay: its smtp(8) logs in with our client plugins at a second Postfix
that has our server plugins. Both are private and on loopback; the client's smtp runs in a jail."""

import os
import smtplib

import harness
import postfix
import store

REALM = postfix.HOSTNAME
CLIENT = "out.lab.test"  # one that greets with the relay's own name would be taken for a loop
DELIVERY_SECONDS = 20
MESSAGE = "From: sender@lab.test\r\nTo: somebody@far.test\r\nSubject: relayed\r\n\r\nHello.\r\n"

# Services of the relay that offer one mechanism each, so that a client cannot take another one.
MECHANISMS = {
    "plain": "PLAIN", "login": "LOGIN", "cram": "CRAM-MD5", "digest": "DIGEST-MD5",
    "scram1": "SCRAM-SHA-1", "scram256": "SCRAM-SHA-256", "scram512": "SCRAM-SHA-512",
}
STRICT = "permit_sasl_authenticated, reject"  # nothing gets through without a login

# The relay's users: one whose name and password say why the bytes matter, and plain ones.
USERS = {
    "relayuser": "secret",
    "j\u00fcrgen": "gr\u00fc\u00df Gott",
    "odd=name": "p,q=r",
}


class RelayClientTest(harness.PostfixCase):
    """self.postfix is the relay."""

    REALM = REALM
    users = [(user, REALM, password) for user, password in USERS.items()]
    services = {
        "smtp": {"smtpd_client_restrictions": STRICT},
        **{name: {"smtpd_client_restrictions": STRICT, "smtpd_sasl_path": name}
           for name in MECHANISMS},
    }

    @classmethod
    def sasl_confs(cls):
        confs = {"smtpd": cls.store.conf()}
        for name, mechanism in MECHANISMS.items():
            confs[name] = cls.store.conf(mech_list=mechanism)
        return confs

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = ClientPostfix(cls.work, cls.store.plugin_path)
        cls.addClassCleanup(harness._keep_log, cls.client)
        cls.client.point_at(cls.postfix.port, {})
        cls.enterClassContext(cls.client)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        log = cls.client.log.text()
        for user, password in USERS.items():
            if password in log:
                raise AssertionError(f"the client logged the password of {user}")
        crashes = cls.client.crashes()
        if crashes:
            raise AssertionError("the client's processes died:\n" + "\n".join(crashes))

    def send(self, service, user, password):
        """Sends a message through the client to that service; returns the client's log line."""
        self.client.point_at(self.postfix.ports[service], {user: password})
        since = self.client.log.mark()
        with smtplib.SMTP("127.0.0.1", self.client.port, timeout=DELIVERY_SECONDS) as smtp:
            smtp.sendmail("sender@lab.test", ["somebody@far.test"], MESSAGE)
        return self.client.log.wait_for(
            r"status=(sent|deferred|bounced)|SASL authentication failed", since,
            seconds=DELIVERY_SECONDS)

    def test_every_mechanism(self):
        for service, mechanism in MECHANISMS.items():
            for user, password in USERS.items():
                with self.subTest(f"{mechanism} {user}"):
                    since = self.postfix.log.mark()
                    line = self.send(service, user, password)
                    self.assertIn("status=sent", line, self.client.log.text())
                    login = self.postfix.log.wait_for(r"sasl_method=", since)
                    self.assertIn(f"sasl_method={mechanism}, sasl_username=", login)

    def test_the_strongest_is_taken(self):
        since = self.postfix.log.mark()
        line = self.send("smtp", "relayuser", "secret")
        self.assertIn("status=sent", line, self.client.log.text())
        login = self.postfix.log.wait_for(r"sasl_method=", since)
        self.assertIn("sasl_method=SCRAM-SHA-256, sasl_username=relayuser", login)

    def test_wrong_password(self):
        for service, mechanism in MECHANISMS.items():
            with self.subTest(mechanism):
                since = self.postfix.log.mark()
                line = self.send(service, "relayuser", "Secret")
                self.assertNotIn("status=sent", line)
                self.assertIn("SASL authentication failed", line)
                if not harness.STOCK:
                    self.postfix.log.wait_for(f"mech={mechanism} reason=password", since)
                self.client.empty_queue()


class ClientPostfix(postfix.Postfix):
    """A Postfix that hands everything to a relay."""

    def __init__(self, work, plugin_path):
        settings = {
            "myhostname": CLIENT,
            "mynetworks": "127.0.0.0/8",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_sasl_auth_enable": "no",
            "default_transport": "smtp",
            "smtp_sasl_auth_enable": "yes",
            "smtp_sasl_security_options": "noanonymous",
            "smtp_tls_security_level": "none",
            "smtp_connection_cache_on_demand": "no",
            "smtp_destination_rate_delay": "0",
            # A refused login must not keep the next one waiting.
            "smtp_sasl_auth_soft_bounce": "no",
            "minimal_backoff_time": "1s",
            "smtp_destination_concurrency_failed_cohort_limit": "0",
        }
        super().__init__(work, {}, plugin_path, settings=settings, name="client")
        self.passwords = os.path.join(self.config, "passwords")
        self.relay = os.path.join(self.config, "transport")
        self.settings["smtp_sasl_password_maps"] = "texthash:" + self.passwords
        self.settings["transport_maps"] = "texthash:" + self.relay

    def _write_configuration(self):
        super()._write_configuration()
        with open(os.path.join(self.config, "master.cf"), "a", encoding="utf-8") as file:
            # One delivery a process: each reads the passwords anew.
            file.write("smtp unix - - y - - smtp\n  -o max_use=1\n")

    def point_at(self, port, passwords):
        destination = f"[127.0.0.1]:{port}"
        with open(self.passwords, "w", encoding="utf-8") as file:
            for user, password in passwords.items():
                file.write(f"{destination} {user}:{password}\n")
        with open(self.relay, "w", encoding="utf-8") as file:
            file.write(f"* smtp:{destination}\n")
        if self.master_pid() is not None:
            status, output = self._command("reload")
            if status != 0:
                raise AssertionError(f"postfix reload: {output}")

    def empty_queue(self):
        store.must(store.run(["postsuper", "-c", self.config, "-d", "ALL"]))


if __name__ == "__main__":
    harness.main()
