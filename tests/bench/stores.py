#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a login costs with the accounts in LMDB, in OpenLDAP by the ldapdb plugin and in PostgreSQL
by the sql plugin: microseconds within libsasl2, waiting for a server included. Starts private servers
on loopback, as root. The three alternate over some rounds and the median counts. Judges nothing."""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys

SYSTEM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system")
REALM = "bench.test"
MECHS = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
USERS = 1000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build directory (preset release)")
    parser.add_argument("--json", help="where to write the figures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=100, help="logins a round")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    # Read by the modules of the system tests when they are imported.
    os.environ.setdefault("SASL_LMDB_PLUGINS", os.path.join(build, "plugins"))
    os.environ.setdefault("SASL_LMDB_TOOLS", os.path.join(build, "bin"))
    os.environ.setdefault("SASL_LMDB_SYSLOG", os.path.join(build, "tests/system/libsyslogfile.so"))
    sys.path.insert(0, SYSTEM)
    return args


def start(enter, work):
    """name -> options of the three stores with the same accounts; and where the plugins are."""
    import directory
    import otherstore
    import postgresql
    import store

    directory.require()
    otherstore.require_plugin("sql", "libsasl2-modules-sql")
    postgresql.require()
    made = store.LmdbStore(work)
    made.create()
    made.add_all([(f"u{number}", REALM, "pw") for number in range(USERS)])
    links = work.mkdir("plugins", 0o755)
    for name in ("ldapdb", "sql"):
        os.symlink(otherstore.stock_plugin(name), os.path.join(links, f"lib{name}.so"))
    return {
        "lmdb": {"auxprop_plugin": "lmdb", "lmdb_path": made.path, "lmdb_keyfile": made.key},
        "ldapdb": {"auxprop_plugin": "ldapdb",
                   **directory.serve(enter, work, made, "of the plugin itself")[2]},
        "sql": {"auxprop_plugin": "sql", **postgresql.serve(enter, work, made)[1]},
    }, f"{store.PLUGINS}:{links}"


def run_bench(args, mech, options, plugins):
    command = [os.path.join(args.build, "tests/bench/bench_server"), mech, str(args.count),
               str(USERS)]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    done = subprocess.run(command, env={**os.environ, "SASL_PATH": plugins}, text=True,
                          capture_output=True, timeout=900, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)["middle_us"]


def measure(args, stores, plugins):
    times = {mech: {name: [] for name in stores} for mech in MECHS}
    for _ in range(args.rounds):
        for mech, row in times.items():
            for name, options in stores.items():
                row[name].append(run_bench(args, mech, options, plugins))
    return {mech: {name: statistics.median(values) for name, values in row.items()}
            for mech, row in times.items()}


def main():
    args = arguments()
    import workdir

    with contextlib.ExitStack() as stack:
        work = stack.enter_context(workdir.WorkDir())
        result = measure(args, *start(stack.enter_context, work))
    print(f"{'microseconds':16}{'lmdb':>10}{'ldapdb':>10}{'sql':>10}")
    for mech, row in result.items():
        print(f"{mech:16}" + "".join(f"{value:10.0f}" for value in row.values()))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({"cpus": os.cpu_count(), "users": USERS, "microseconds": result}, out,
                      indent=2)


main()
