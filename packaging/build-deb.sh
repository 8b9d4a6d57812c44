#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Builds the Debian package of the tree $1 into the directory $2, in a copy of the tree, since
# dpkg-buildpackage leaves files in it and beside it. Run by "cmake --build ... --target package".
# The project's tests belong to its own builds: DEB_BUILD_OPTIONS=" " runs them here too.
set -eu

source=$1
target=$2
work=$target/package-build

for program in dpkg-buildpackage dh; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is missing: apt-get install dpkg-dev debhelper" >&2
        exit 1
    fi
done

rm -rf "$work"
mkdir -p "$work/sasl-lmdb"
tar -C "$source" --exclude=./build --exclude=./.git -cf - . | tar -C "$work/sasl-lmdb" -xf -
cd "$work/sasl-lmdb"
DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-nocheck}" DEB_BUILD_PROFILES="${DEB_BUILD_PROFILES-nocheck}" \
    dpkg-buildpackage --build=binary --no-sign
for file in "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo; do
    mv "$file" "$target"
done
rm -rf "$work"
echo "The package:"
ls "$target"/sasl-lmdb_*.deb
