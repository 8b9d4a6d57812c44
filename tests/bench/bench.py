#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Server CPU per exchange: our plugins and store beside the stock ones with sasldb, the framework's
floor, and the raw cost of the key derivation, all in one run. The sets are measured in turn,
several rounds, so that a machine whose speed drifts does so for all of them; the median of the
rounds counts. Prints a table and writes JSON. Judges nothing."""
import argparse
import glob
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

REALM = "bench.test"
MECHS = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
ROUNDS = 5


def run_bench(args, mech, count, users, plugins, options):
    command = [os.path.join(args.build, "tests/bench/bench_server"), mech, str(count), str(users)]
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    done = subprocess.run(command, env=dict(os.environ, SASL_PATH=plugins), text=True,
                          capture_output=True, timeout=900, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)["middle_us"]


class Sets:
    """The plugin directories and stores that are compared."""

    def __init__(self, args, work):
        self.args = args
        self.work = work
        stock = subprocess.run(["pkg-config", "--variable=libdir", "libsasl2"], text=True,
                               capture_output=True, check=True).stdout.strip() + "/sasl2"
        self.stock_dir = stock
        self.floor_dir = self.links("floor", ["plain", "login", "crammd5", "digestmd5"],
                                    extra=os.path.join(args.build, "bench-plugins/libfloor.so"))
        self.stock_set = self.links("stock", ["plain", "login", "crammd5", "digestmd5", "scram",
                                              "sasldb"])
        self.sasldb = os.path.join(work, "sasldb2")
        self.ours = os.path.join(args.build, "plugins")

    def links(self, name, plugins, extra=None):
        folder = os.path.join(self.work, name)
        os.mkdir(folder)
        for plugin in plugins:
            os.symlink(os.path.join(self.stock_dir, f"lib{plugin}.so"),
                       os.path.join(folder, f"lib{plugin}.so"))
        if extra:
            os.symlink(extra, os.path.join(folder, "libfloor.so"))
        return folder

    def make_sasldb(self, users):
        for i in range(users):
            subprocess.run(["saslpasswd2", "-p", "-c", "-f", self.sasldb, "-u", REALM, f"u{i}"],
                           input="pw", text=True, check=True, capture_output=True)

    def make_store(self, users):
        tool = os.path.join(self.args.build, "bin/sasl-lmdb")
        path = os.path.join(self.work, f"users-{users}.mdb")
        base = [tool, "-f", path, "-k", os.path.join(self.work, "key")]
        subprocess.run(base + ["init"], check=True, capture_output=True)
        lines = "".join(f"u{i}\t{REALM}\tpw\n" for i in range(users))
        subprocess.run(base + ["import", "--format", "tsv", "-"], input=lines, text=True,
                       check=True, capture_output=True)
        return {"auxprop_plugin": "lmdb", "lmdb_path": path,
                "lmdb_keyfile": os.path.join(self.work, "key")}


def measure(args, sets):
    store = sets.make_store(args.users)
    sets.make_sasldb(args.sasldb_users)
    stock = {"auxprop_plugin": "sasldb", "sasldb_path": sets.sasldb}
    floor = {"auxprop_plugin": "floor"}
    columns = {
        "ours": (sets.ours, store, args.users),
        "stock": (sets.stock_set, stock, args.sasldb_users),
        "floor": (sets.floor_dir, floor, args.users),
    }
    times = {}
    for _ in range(args.rounds):
        for mech in MECHS + ["start"]:
            for name, (plugins, options, users) in columns.items():
                if name == "floor" and (mech.startswith("SCRAM") or mech == "start"):
                    continue
                slow = mech in ("PLAIN", "LOGIN", "start") or (name == "stock" and "SCRAM" in mech)
                count = 100 if slow else 3000
                value = run_bench(args, mech, count, users, plugins, options)
                times.setdefault(mech, {}).setdefault(name, []).append(value)
        for hash_name in ("sha-1", "sha-256"):
            value = run_bench(args, f"pbkdf2-{hash_name}", 100, 10000, sets.ours, {})
            times.setdefault(f"PBKDF2 {hash_name} 10000", {}).setdefault("raw", []).append(value)
    return {mech: {name: statistics.median(values) for name, values in row.items()}
            for mech, row in times.items()}


def table(result):
    print(f"{'microseconds':24}{'ours':>10}{'stock':>10}{'floor':>10}{'ours/stock':>12}")
    for mech, row in result.items():
        cells = "".join(f"{row[c]:10.1f}" if c in row else f"{'-':>10}"
                        for c in ("ours", "stock", "floor"))
        ratio = f"1/{row['stock'] / row['ours']:.1f}" if {"ours", "stock"} <= row.keys() else "-"
        raw = f"   raw {row['raw']:.1f}" if "raw" in row else ""
        print(f"{mech:24}{cells}{ratio:>12}{raw}")
    derive = result["PBKDF2 sha-256 10000"]["raw"]
    for mech in ("PLAIN", "LOGIN"):
        print(f"{mech} / PBKDF2-SHA-256 of 10000 iterations: {result[mech]['ours'] / derive:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build directory (preset release)")
    parser.add_argument("--json", help="where to write the figures")
    parser.add_argument("--users", type=int, default=1000, help="accounts in our store")
    parser.add_argument("--sasldb-users", type=int, default=200, help="accounts in sasldb")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    if shutil.which("saslpasswd2") is None:
        sys.exit("saslpasswd2 is missing: apt-get install sasl2-bin")
    if not glob.glob(os.path.join(args.build, "plugins/*.so")):
        sys.exit(f"{args.build} holds no plugins: cmake --build --preset release")
    with tempfile.TemporaryDirectory(prefix="sasl-lmdb-bench-") as work:
        result = measure(args, Sets(args, work))
    table(result)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({"machine": platform.processor() or platform.machine(),
                       "cpus": os.cpu_count(), "users": args.users, "microseconds": result}, out,
                      indent=2)


main()
