# SPDX-License-Identifier: BSD-2-Clause
"""Servers whose Debian packages would remove Postfix: taken from PATH, from a directory into which
their packages were unpacked (SASL_LMDB_UNPACKED), or, where SASL_LMDB_FETCH is set as test.sh --all
does, out of a package that is fetched and unpacked for the time of the test."""

import os
import shutil
import subprocess

import harness

FETCH_SECONDS = 120


def find(work, program, package, paths):
    """The path of a program. paths: where in an unpacked package it may be. Ends the test program
    as skipped where there is none."""
    found = shutil.which(program)
    if found and os.path.basename(os.path.realpath(found)) == program:
        return found
    directory = os.environ.get("SASL_LMDB_UNPACKED")
    if not directory and os.environ.get("SASL_LMDB_FETCH"):
        directory = _fetch(work, package)
    for path in paths if directory else ():
        if os.path.exists(os.path.join(directory, path)):
            return os.path.join(directory, path)
    harness.skip(f"{program} is missing: ./test.sh --all fetches {package} and unpacks it aside")
    return None


def _fetch(work, package):
    directory = work.mkdir(package, 0o755)
    downloaded = subprocess.run(
        ["apt-get", "download", "-q", package], cwd=directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=FETCH_SECONDS)
    files = [name for name in os.listdir(directory) if name.endswith(".deb")]
    if downloaded.returncode != 0 or not files:
        harness.skip(f"apt-get download {package} failed")
    subprocess.run(["dpkg", "-x", os.path.join(directory, files[0]), directory], check=True)
    return directory
