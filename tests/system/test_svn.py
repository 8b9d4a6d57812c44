# SPDX-License-Identifier: BSD-2-Clause
"""A real svnserve and svn on our plugins, in processes and in threads; files through DIGEST-MD5's
layer."""

import os
import shutil
import unittest

import exchanges
import harness
import store
import svnserve
import workdir

REALM = "lab.test"
USER, PASSWORD = "alice", 'Tr0ub4dor&3 "q" \\n'
USERS = [(USER, REALM, PASSWORD)]
MECHANISMS = exchanges.MECHANISMS + ("SCRAM-SHA-512",)
FILE_SIZE = 300000  # more than one buffer of the layer


class SvnTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = cls.enterClassContext(workdir.WorkDir())
        cls.store = store.LmdbStore(cls.work)
        cls.store.create()
        cls.store.add_all(USERS)
        cls.servers = []

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            server.check_log(USERS)

    def serve(self, mechanisms, name, **keywords):
        server = svnserve.Svnserve(
            self.work, self.store.options(mech_list=mechanisms), REALM, name=name, **keywords)
        self.servers.append(server)
        return self.enterContext(server)

    def check_logins(self, server, mechanism):
        """In with the right password; alike for a wrong one and an unknown user."""
        status, output = server.svn(USER, PASSWORD, "info", server.url)
        self.assertEqual(status, 0, output)
        since = server.log.mark()
        outputs = set()
        for user, password in ((USER, "wrong"), ("nosuchuser", PASSWORD)):
            status, output = server.svn(user, password, "info", server.url)
            self.assertEqual(status, 1, output)
            outputs.add(output)
        self.assertEqual(len(outputs), 1, outputs)
        self.assertIn("uthentication", output)
        for reason in ("password", "unknown"):
            server.log.wait_for(f"sasl-lmdb: mech={mechanism} reason={reason} user=", since)

    def test_every_mechanism(self):
        for mechanism in MECHANISMS:
            with self.subTest(mechanism):
                self.check_logins(self.serve(mechanism, mechanism), mechanism)

    def test_in_threads(self):
        server = self.serve("SCRAM-SHA-256", "threads", arguments=("--threads",))
        for _ in range(3):
            self.check_logins(server, "SCRAM-SHA-256")

    def test_files_through_the_layer(self):
        server = self.serve("DIGEST-MD5", "layer", strengths=(1, 1))
        with open(os.path.join(server.base, "file"), "wb") as file:
            file.write(os.urandom(FILE_SIZE))
        status, output = server.svn(USER, PASSWORD, "import", "-m", "a file", file.name,
                                    server.url + "file")
        self.assertEqual(status, 0, output)
        target = os.path.join(server.base, "copy")
        status, output = server.svn(USER, PASSWORD, "export", server.url + "file", target)
        self.assertEqual(status, 0, output)
        with open(file.name, "rb") as sent, open(target, "rb") as received:
            self.assertTrue(sent.read() == received.read(), "the file came back changed")

    def test_no_layer_no_service(self):
        """Where the server insists on a layer, a mechanism without one does not get in."""
        server = self.serve("SCRAM-SHA-256", "strict", strengths=(1, 1))
        status, output = server.svn(USER, PASSWORD, "info", server.url)
        self.assertEqual(status, 1, output)


if __name__ == "__main__":
    os.environ["PATH"] = harness.SBIN
    harness.require_ours()
    if not shutil.which("svnserve"):
        harness.skip("svnserve is missing: apt-get install subversion")
    harness.run_tests()
