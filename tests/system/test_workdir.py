# SPDX-License-Identifier: BSD-2-Clause
"""Servers end with the test program that started them, also if that is killed."""

import os
import signal
import subprocess
import sys
import time
import unittest

import harness
import workdir
from daemon import Daemon

SECONDS = 60
DIE = "die"


class Leaver(Daemon):
    """Leaves its process group, and nothing in its arguments tells whose it is."""

    def __init__(self, work):
        super().__init__(work, "leaver", plugin_path="")
        self.pid_file = os.path.join(self.base, "pid")

    def command(self):
        script = ('mount --bind "$1" /mnt && setsid --fork sh -c '
                  '"echo \\$\\$ >/mnt/new && mv /mnt/new /mnt/pid && exec sleep 600"')
        return ["unshare", "-m", "sh", "-c", script, "sh", self.base]

    def answers(self):
        return self.forked_pid() is not None


def is_there(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


class WorkDirTest(unittest.TestCase):
    def test_a_killed_test_leaves_nothing(self):
        done = subprocess.run([sys.executable, "-B", __file__, DIE], capture_output=True, text=True)
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
        pid, path = done.stdout.split()
        deadline = time.monotonic() + SECONDS
        while is_there(int(pid)) or os.path.exists(path):
            self.assertLess(time.monotonic(), deadline, "still there")
            time.sleep(0.05)


if __name__ == "__main__":
    os.environ["PATH"] = harness.SBIN
    if os.getuid() != 0:
        harness.skip("servers are started as root")
    harness.require_namespaces("a server", "-m")
    if DIE in sys.argv:
        work = workdir.WorkDir()
        leaver = Leaver(work)
        leaver.start()
        print(leaver.forked_pid(), work.path, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    harness.run_tests()
