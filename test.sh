#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the project twice and runs every test: with address and undefined-behaviour sanitizers
# (unit tests, tests through libsasl2), then as it gets installed (all of them, system tests
# against real servers and clients too). Installs missing Debian packages, with sudo where it is
# not root. Exits non-zero if anything failed; ends with what ctest says of each build.
set -euo pipefail
cd "$(dirname "$0")"
. tests/packages.sh

usage() {
    cat <<'TEXT'
usage: ./test.sh [--all] [--fast]
  --all   also installs packages that only some tests need; without them those are skipped
  --fast  no system tests
TEXT
}

all=
fast=
for argument in "$@"; do
    case "$argument" in
    --all) all=yes ;;
    --fast) fast=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done

work=$(mktemp -d)
cleanup() {
    allow_service_starts
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failed=()
second_runs=()

# build PRESET: configures and builds; on failure shows the output and counts it.
build() {
    echo "== $1: building"
    if { cmake --preset "$1" && cmake --build --preset "$1"; } >"$work/$1.build" 2>&1; then
        return 0
    fi
    cat "$work/$1.build"
    echo "== $1: the build failed"
    failed+=("$1: build")
    return 1
}

# run_tests PRESET COMMAND...: runs ctest by COMMAND, which gets the options of the preset.
run_tests() {
    local preset=$1
    shift
    echo "== $preset: testing"
    if "$@" --preset "$preset" --parallel "$(nproc)" 2>&1 | tee "$work/$preset.tests"; then
        return 0
    fi
    if only_system_tests_failed "$preset" && run_again "$preset" "$@"; then
        return 0
    fi
    failed+=("$preset: tests")
}

# The names of the tests of a preset that failed in its last run.
failed_tests() {
    sed 's/^[0-9]*://' "build/$1/Testing/Temporary/LastTestsFailed.log" 2>/dev/null || true
}

only_system_tests_failed() {
    local names
    names=$(failed_tests "$1")
    [ -n "$names" ] && ! grep -qv '^system-' <<<"$names"
}

# run_again PRESET COMMAND...: the failed ones once more, alone on the machine. Other people's
# servers have time limits of their own, which a machine with too much to do can miss; that a test
# needed the second run is among the last lines, since the first one may have been right.
run_again() {
    local preset=$1 names
    shift
    names=$(failed_tests "$preset" | paste -sd ' ')
    echo "== $preset: once more, one at a time: $names"
    "$@" --preset "$preset" --rerun-failed --output-on-failure 2>&1 |
        tee "$work/$preset.again" || return 1
    second_runs+=("$preset: FAILED ONCE, passed alone: $names")
}

# The closing lines of a ctest run: totals, times, what was skipped, what failed.
closing_lines() {
    sed -n '/^[0-9]*% tests passed/,$p' "$work/$1.tests" 2>/dev/null || true
}

# Why tests were skipped, in their own words.
skip_reasons() {
    local log=build/$1/Testing/Temporary/LastTest.log
    sed -n 's/^\(SKIP\|skipped\): /skipped: /p' "$log" 2>/dev/null || true
}

packages=("${BUILD_PACKAGES[@]}" "${CROSS_TEST_PACKAGES[@]}")
if [ -z "$fast" ]; then
    packages+=("${SERVER_PACKAGES[@]}" "${SYSTEM_TEST_PACKAGES[@]}")
fi
if [ -n "$all" ]; then
    packages+=("${OPTIONAL_PACKAGES[@]}")
fi
install_packages "${packages[@]}"

if build asan-ubsan; then
    run_tests asan-ubsan ctest
fi

if build release; then
    if [ -n "$fast" ]; then
        run_tests release ctest --label-exclude system
    else
        # A chrooted Postfix has to be started as root; what ctest leaves stays the caller's.
        # --all: tests may fetch packages that cannot be installed beside Postfix, to unpack them.
        run_tests release as_root env "SASL_LMDB_FETCH=$all" ctest
        if [ "$(id -u)" -ne 0 ]; then
            as_root chown -R "$(id -u):$(id -g)" build/release/Testing
        fi
    fi
fi

for preset in asan-ubsan release; do
    printf '\n== %s\n' "$preset"
    case " ${failed[*]} " in
    *" $preset: build "*) echo "the build failed" ;;
    *)
        skip_reasons "$preset"
        closing_lines "$preset"
        ;;
    esac
done
if [ "${#second_runs[@]}" -gt 0 ]; then
    printf '\n%s\n' "${second_runs[@]}"
fi
[ "${#failed[@]}" -eq 0 ]
