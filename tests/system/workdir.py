# SPDX-License-Identifier: BSD-2-Clause
"""A temporary directory that goes away together with every server started below it.

Server processes outlive the program that started them. Leaving the context, an exception, SIGTERM
and the end of the interpreter all end in close(); for what no Python code can see (SIGKILL, which
is how ctest ends a test that takes too long) a guardian process waits on a pipe for this process
to go away and then stops what is left.
"""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile

# Below each server's directory: the process group of a server that is not a Postfix.
PROCESS_GROUP = "process-group"

# Stops each server below the directory $1 (Postfix: configuration in NAME/config; a process group
# only while its leader has $1 among its arguments; what has left its group, by the mounts of its own
# namespace) and removes it all.
GUARDIAN = """
read -r line
for file in "$1"/*/process-group; do
    [ -e "$file" ] || continue
    read -r leader <"$file"
    grep -q -F "$1" "/proc/$leader/cmdline" 2>/dev/null && kill -s KILL -- "-$leader"
done
for mounts in $(grep -l -F "${1##*/}" /proc/[0-9]*/mountinfo 2>/dev/null); do
    process=${mounts#/proc/}
    kill -s KILL "${process%/mountinfo}"
done
for config in "$1"/*/config; do
    [ -e "$config/main.cf" ] && postfix -c "$config" stop
done
rm -rf -- "$1"
"""


def _parent_for_daemons():
    """The first usual place for temporary files that an unprivileged daemon can get through."""
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        path = os.path.realpath(candidate)
        while os.stat(path).st_mode & 0o001:
            if path == "/":
                return candidate
            path = os.path.dirname(path)
    raise RuntimeError("no temporary directory whose parents are all o+x")


class WorkDir:
    """Context manager; `path` is absolute, mode 0711."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="sasl-lmdb-", dir=_parent_for_daemons())
        os.chmod(self.path, 0o711)
        self._owner = os.getpid()
        self._closers = []
        self._guard()
        atexit.register(self.close)

    def _guard(self):
        read_end, self._alive = os.pipe()
        subprocess.run(
            ["setsid", "--fork", "sh", "-c", GUARDIAN, "guardian", self.path],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        os.close(read_end)

    def join(self, *names):
        return os.path.join(self.path, *names)

    def mkdir(self, name, mode):
        path = self.join(name)
        os.mkdir(path)
        os.chmod(path, mode)
        return path

    def on_close(self, function):
        """Has function() called, last registered first, before the directory is removed."""
        self._closers.append(function)

    def close(self):
        if self._alive is None or os.getpid() != self._owner:
            return
        while self._closers:
            self._closers.pop()()
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._alive)
        self._alive = None

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def exit_on_sigterm():
    """Treats SIGTERM as ^C: contexts are left and atexit runs (unittest swallows SystemExit)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
