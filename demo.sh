#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the project and shows it at work: a private, chrooted Postfix on loopback takes one mail
# with each mechanism from real clients, against a store in a temporary directory. Installs missing
# Debian packages (with sudo where it is not root), changes no configuration, cleans up.
set -euo pipefail
cd "$(dirname "$0")"
. tests/packages.sh

usage="usage: ./demo.sh"
if [ "$#" -ne 0 ]; then
    echo "$usage" >&2
    exit 2
fi

log=$(mktemp)
cleanup() {
    allow_service_starts
    rm -f "$log"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

quietly() {
    "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        echo "failed: $*" >&2
        return 1
    }
}

install_packages "${BUILD_PACKAGES[@]}" "${SERVER_PACKAGES[@]}"

echo "== building (preset release)"
quietly cmake --preset release
quietly cmake --build --preset release --target plugins-build/all tools/all

echo "== running"
as_root env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    SASL_LMDB_PLUGINS="$PWD/build/release/plugins" SASL_LMDB_TOOLS="$PWD/build/release/bin" \
    /usr/bin/python3 -B tests/system/demo.py
