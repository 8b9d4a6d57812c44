# SPDX-License-Identifier: BSD-2-Clause
"""Directories with plugins of the distribution and ours, and the mechanisms libsasl2 finds in them."""

import glob
import os
import shutil

import harness
import store

# Files that ours take the place of, and the mechanisms of theirs that ours do not have.
REPLACED = ("libplain.so", "liblogin.so", "libcrammd5.so", "libdigestmd5.so", "libscram.so")
STOCK_ONLY = {"SCRAM-SHA-224", "SCRAM-SHA-384"}


def link(directory, paths):
    """Fills a directory. Mechanisms that libsasl2 takes for equals come in the order of their files
    in the directory: so it is made in the same order each time."""
    for path in sorted(paths, key=os.path.basename):
        os.symlink(path, os.path.join(directory, os.path.basename(path)))
    return directory


def _stock_files():
    return glob.glob(os.path.join(harness.stock_plugins(), "*.so"))


def _others():
    return [path for path in _stock_files() if os.path.basename(path) not in REPLACED]


def stock(work):
    """SASL_PATH with what the distribution has."""
    return link(work.mkdir("plugins-stock", 0o755), _stock_files())


def installed_over(work):
    """SASL_PATH with one directory, in which our files have taken the place of the stock ones."""
    ours = glob.glob(os.path.join(store.PLUGINS, "*.so"))
    return link(work.mkdir("plugins-mixed", 0o755), ours + _others())


def beside(work):
    """SASL_PATH with our directory and then one with what else the distribution has."""
    return store.PLUGINS + ":" + link(work.mkdir("plugins-others", 0o755), _others())


def listed(plugins):
    """The server mechanisms libsasl2 finds, in its order, with repeats."""
    output = store.must(store.run(["saslpluginviewer", "-s"], env={"SASL_PATH": plugins})).stdout
    return output.splitlines()[1].split()


# File of another mechanism, and the Debian package that has it.
PACKAGES = {
    "libgssapiv2.so": "libsasl2-modules-gssapi-mit",
    "libgs2.so": "libsasl2-modules-gssapi-mit",
    "libntlm.so": "libsasl2-modules",
    "libanonymous.so": "libsasl2-modules",
}


def require(*files):
    """Ends the program as skipped unless the distribution's plugins and these are there."""
    for file in files:
        if not os.path.exists(os.path.join(harness.stock_plugins() or "/", file)):
            harness.skip(f"{file} is missing: apt-get install {PACKAGES[file]}")
    if not shutil.which("saslpluginviewer"):
        harness.skip("saslpluginviewer is missing: apt-get install sasl2-bin")
