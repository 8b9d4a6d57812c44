# SPDX-License-Identifier: BSD-2-Clause
"""A real Exim on our store: plugins loaded, initialised, freed and unloaded for each authenticator and
again for each login."""

import os
import unittest

import exim
import harness
import otherserver


class EximTest(otherserver.Logins, unittest.TestCase):
    kind = exim.Exim
    feature = "cyrus_sasl"

    def test_store_outage(self):
        """Each login opens the store anew."""
        aside = self.store.path + ".aside"
        os.rename(self.store.path, aside)
        try:
            for mechanism in otherserver.MECHANISMS:
                with self.subTest(mechanism):
                    self.assertEqual(self.outage_replies(mechanism)[0], "4")
        finally:
            os.rename(aside, self.store.path)
        self.test_every_mechanism()


if __name__ == "__main__":
    os.environ["PATH"] = harness.SBIN
    harness.require_ours()
    if os.getuid() != 0:
        harness.skip("Exim has to be started as root")
    harness.require_namespaces("Exim", "-m")
    harness.run_tests()
