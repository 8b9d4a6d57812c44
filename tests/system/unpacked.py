# SPDX-License-Identifier: BSD-2-Clause
"""Servers whose Debian packages would remove Postfix: taken from where they are installed all the same,
from a directory into which their packages were unpacked (SASL_LMDB_UNPACKED), or, where SASL_LMDB_FETCH
is set as test.sh --all does, out of packages that are fetched and unpacked for the time of the test."""

import os
import subprocess

import harness

FETCH_SECONDS = 120


def find(work, packages):
    """The directory below which the files of these packages are. packages: the name of each, and the
    path of a file in it, without the first slash. Ends the test program as skipped where there is
    none."""
    directories = ["/", os.environ.get("SASL_LMDB_UNPACKED")]
    for directory in filter(None, directories):
        if _has(directory, packages):
            return directory
    if not os.environ.get("SASL_LMDB_FETCH"):
        names = " and ".join(packages)
        harness.skip(f"{names} missing: ./test.sh --all fetches and unpacks this aside")
    return _fetch(work, packages)


def require_word(word, told):
    """Ends the test program as skipped unless a server started, for which it may lack a library, and
    said that word. told: what store.run() returned of its saying what it was built with."""
    if word not in told.stdout:
        reason = (told.stderr.splitlines() or ["not said"])[0]
        harness.skip(f"a server with {word}: {reason}: ./test.sh --all installs what it needs")


def _has(directory, packages):
    return all(os.path.exists(os.path.join(directory, path)) for path in packages.values())


def _fetch(work, packages):
    directory = work.mkdir("unpacked", 0o755)
    downloaded = subprocess.run(
        ["apt-get", "download", "-q", *packages], cwd=directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=FETCH_SECONDS)
    if downloaded.returncode != 0:
        harness.skip(f"apt-get download {' '.join(packages)} failed")
    for file in [name for name in os.listdir(directory) if name.endswith(".deb")]:
        subprocess.run(["dpkg", "-x", file, "."], cwd=directory, check=True)
    if not _has(directory, packages):
        raise AssertionError(f"{packages} are not what was fetched")
    return directory
