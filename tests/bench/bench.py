#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Our plugins and store beside the stock ones with sasldb: server CPU per exchange with the
framework's floor and the raw cost of the key derivation, start-up, exchanges among many accounts,
memory, imports, smtpd. Sets are measured in turn, several rounds, so that a machine whose speed
drifts does so for all of them; the median of the rounds counts. Prints tables, writes JSON, and with
--docs the page and the chart. With --parts only some, added to the JSON that is there. Judges
nothing."""
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

import parts
import report

REALM = parts.REALM
MECHS = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
ROUNDS = 5


def run_bench(*arguments):
    return parts.bench_server(*arguments)["middle_us"]


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
        self.sasldb_stored = os.path.join(work, "sasldb2-stored")
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

    @staticmethod
    def saslpasswd2(path, user, *options, **environment):
        subprocess.run(["saslpasswd2", "-p", "-c", *options, "-f", path, "-u", REALM, user],
                       env=dict(os.environ, **environment), input="pw", text=True, check=True,
                       capture_output=True)

    def columns(self, args):
        """The sets, with a store each that is made at the first call."""
        if not hasattr(self, "made"):
            store = parts.Store(args, os.path.join(self.work, "users.mdb"))
            store.run("import", "--format", "tsv", "-",
                      input="".join(f"u{i}\t{REALM}\tpw\n" for i in range(args.users)))
            with open(os.path.join(self.work, "saslpasswd.conf"), "w", encoding="ascii") as file:
                file.write("auxprop_plugin: sasldb\nscram_secret_generate: yes\n")
            for i in range(args.users):
                self.saslpasswd2(self.sasldb, f"u{i}")
                self.saslpasswd2(self.sasldb_stored, f"u{i}", "-n", SASL_CONF_PATH=self.work)
            stock = {"auxprop_plugin": "sasldb", "sasldb_path": self.sasldb}
            stored = dict(stock, sasldb_path=self.sasldb_stored)
            self.made = {
                "ours": (self.ours, store.options, args.users),
                "stock": (self.stock_set, stock, args.users),
                "stored": (self.stock_set, stored, args.users),
                "floor": (self.floor_dir, {"auxprop_plugin": "floor"}, args.users),
            }
        return self.made


def measure(args, sets):
    columns = sets.columns(args)
    times = {}
    for _ in range(args.rounds):
        for mech in MECHS + ["start"]:
            for name, (plugins, options, users) in columns.items():
                if name == "floor" and (mech.startswith("SCRAM") or mech == "start"):
                    continue
                if name == "stored" and mech != "SCRAM-SHA-1":  # what is stored serves no other
                    continue
                slow = mech in ("PLAIN", "LOGIN", "start") or (name == "stock" and "SCRAM" in mech)
                count = 100 if slow else 3000
                value = run_bench(args, mech, count, users, plugins, options)
                times.setdefault(mech, {}).setdefault(name, []).append(value)
        plugins, options, users = columns["ours"]
        value = run_bench(args, "SCRAM-SHA-256", 300, users, plugins, options, "deriving")
        times.setdefault(report.DERIVING, {}).setdefault("ours", []).append(value)
        for hash_name in ("sha-1", "sha-256"):
            value = run_bench(args, f"pbkdf2-{hash_name}", 100, 10000, sets.ours, {})
            times.setdefault(f"PBKDF2 {hash_name} 10000", {}).setdefault("raw", []).append(value)
    return {mech: {name: statistics.median(values) for name, values in row.items()}
            for mech, row in times.items()}


def package(name):
    """The version of an installed package, without the distribution's part."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], text=True,
                          capture_output=True, check=False)
    return done.stdout.split(":")[-1].split("+")[0].split("-")[0] or "?"


def machine():
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
                break
    return {"CPU": model, "cores": os.cpu_count(), "Linux": platform.release().split("-")[0],
            "libsasl2": package("libsasl2-2"), "OpenSSL": package("libssl3"),
            "LMDB": package("liblmdb0"), "Postfix": package("postfix")}


MEASURES = {"exchanges": measure, "sizes": parts.sizes, "memory": parts.memory,
            "imports": parts.imports, "smtpd": parts.smtpd}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build directory (preset release)")
    parser.add_argument("--json", help="where to write the figures")
    parser.add_argument("--users", type=int, default=200, help="accounts in each store")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--parts", nargs="*", choices=list(MEASURES), default=list(MEASURES))
    parser.add_argument("--long", action="store_true", help="also among 10 million accounts")
    parser.add_argument("--sessions", type=int, default=parts.SESSIONS, help="of smtpd in a round")
    parser.add_argument("--docs", help="folder for BENCH.md and bench.svg")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    if shutil.which("saslpasswd2") is None:
        sys.exit("saslpasswd2 is missing: apt-get install sasl2-bin")
    if not glob.glob(os.path.join(args.build, "plugins/*.so")):
        sys.exit(f"{args.build} holds no plugins: cmake --build --preset release")
    figures = {}
    if args.json and os.path.exists(args.json) and args.parts != list(MEASURES):
        with open(args.json, encoding="utf-8") as file:
            figures = json.load(file)
    figures["machine"] = machine()
    with tempfile.TemporaryDirectory(prefix="sasl-lmdb-bench-") as work:
        sets = Sets(args, work)
        for part in args.parts:
            figures[part] = MEASURES[part](args, sets)
            print(f"{part} done", file=sys.stderr)
            if args.json:  # now, so that nothing measured is lost
                with open(args.json, "w", encoding="utf-8") as file:
                    json.dump(figures, file, indent=2)
    print(report.tables(figures))
    if args.docs:
        for name, contents in (("BENCH.md", report.markdown(figures)),
                               ("bench.svg", report.svg(figures))):
            with open(os.path.join(args.docs, name), "w", encoding="utf-8") as file:
                file.write(contents)


main()
