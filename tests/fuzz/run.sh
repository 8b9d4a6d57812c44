#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the preset `fuzz` and runs the fuzz targets, each for SECONDS; those that are named, or
# all of them. FUZZ_JOBS of them at a time (2). New inputs go to build/fuzz/corpus/TARGET and are
# used by the next run; a finding is left in build/fuzz/findings/. Prints executions and coverage.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ ! "${1:-}" =~ ^[0-9]+$ ]]; then
    echo "usage: tests/fuzz/run.sh SECONDS [TARGET ...]" >&2
    exit 2
fi
seconds=$1
shift
build=build/fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
mkdir -p "$build/findings" "$build/fuzz-logs"

dictionary() {
    case "$1" in
    scram_*) echo scram ;;
    digest_md5_*) echo digest_md5 ;;
    record | digest_layer | ticket | store_meta | kv_pages) echo binary ;;
    *) echo text ;;
    esac
}

# fuzz TARGET: prints one line, fails if something was found.
fuzz() {
    local log=$build/fuzz-logs/$1 found=0
    mkdir -p "$build/corpus/$1"
    "$build/tests/fuzz/fuzz_$1" "-max_total_time=$seconds" -timeout=60 -rss_limit_mb=2048 \
        -max_len=4096 -print_final_stats=1 "-dict=tests/fuzz/$(dictionary "$1").dict" \
        "-artifact_prefix=$build/findings/$1-" \
        "$build/corpus/$1" "tests/fuzz/corpus/$1" >"$log" 2>&1 || found=1
    printf '%-20s %12s executions  %8s edges  %s\n' "$1" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)" \
        "$([ "$found" -eq 0 ] && echo clean || echo "FOUND SOMETHING: $log")"
    return "$found"
}

if [ "$#" -eq 0 ]; then
    mapfile -t targets < <(cd tests/fuzz && printf '%s\n' fuzz_*.c | sed -n \
        's/^fuzz_\(server\|client\)\.c$//; s/^fuzz_\(.*\)\.c$/\1/p')
else
    targets=("$@")
fi
export -f fuzz dictionary
export build seconds
printf '%s\n' "${targets[@]}" | xargs -P "${FUZZ_JOBS:-2}" -I{} bash -c 'fuzz {}'
