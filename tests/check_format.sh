#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# check_format.sh TREE CLANG_FORMAT: every C file is as .clang-format wants it. Another version of the
# program formats otherwise, so that only the pinned one judges.
set -u
tree=$1
program=$2
pinned=14

[ -x "$program" ] || { echo "SKIP: clang-format is not installed"; exit 77; }
case "$("$program" --version)" in
*"version $pinned."*) ;;
*) echo "SKIP: $program is not version $pinned"; exit 77 ;;
esac
cd "$tree" || exit 1
find common plugins tools tests -name '*.[ch]' -exec "$program" --dry-run -Werror {} +
