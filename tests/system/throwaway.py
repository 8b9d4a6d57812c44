# SPDX-License-Identifier: BSD-2-Clause
"""A root file system to be thrown away: an overlay over the machine's own, in memory.

What a test does there, packages installed and removed included, the machine never sees: mounts,
processes and network are private too, and all of it ends with the test program, whatever ends that.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys

INSIDE = "SASL_LMDB_THROWAWAY_ROOT"
# A directory that every Debian has; only in the private namespace is anything mounted there.
BASE = "/mnt"

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
INTERFACE_REQUEST = struct.Struct("16sh14x")


def is_possible():
    """Whether this machine lets us make one. A container may not."""
    trial = ("mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r && "
             "mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r")
    return subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", trial],
        stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def is_inside():
    """Whether this process was started by restart_inside()."""
    return INSIDE in os.environ


def restart_inside():
    """Starts the calling program again, where enter() can be called. Does not return."""
    sys.stdout.flush()
    os.execvp("unshare", [
        "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "env",
        f"{INSIDE}=yes", sys.executable, "-B", *sys.argv])


def _mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def _loopback_up():
    with socket.socket() as sock:
        request = INTERFACE_REQUEST.pack(b"lo", 0)
        flags = INTERFACE_REQUEST.unpack(fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, INTERFACE_REQUEST.pack(b"lo", flags | IFF_UP))


def enter(files=()):
    """Makes the root and makes it this process's; files are copied into its directory /tmp."""
    if not is_inside():
        raise RuntimeError("not in a namespace of our own")
    outside = os.stat("/").st_dev
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", BASE)
    for name in ("upper", "work", "root"):
        os.mkdir(f"{BASE}/{name}")
    root = f"{BASE}/root"
    _mount("-t", "overlay", "overlay", "-o",
           f"lowerdir=/,upperdir={BASE}/upper,workdir={BASE}/work", root)
    _mount("--rbind", "/dev", f"{root}/dev")
    _mount("-t", "proc", "proc", f"{root}/proc")
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{root}/tmp")
    for file in files:
        subprocess.run(["cp", "--", file, f"{root}/tmp"], check=True)
    os.chroot(root)
    os.chdir("/")
    if os.stat("/").st_dev == outside:
        raise RuntimeError("this is still the machine's own root")
    _loopback_up()
    with open("/usr/sbin/policy-rc.d", "w", encoding="ascii") as policy:
        policy.write("#!/bin/sh\nexit 101\n")
    os.chmod("/usr/sbin/policy-rc.d", 0o755)
