# SPDX-License-Identifier: BSD-2-Clause
"""What the bench measures beside single exchanges: many accounts, memory, imports, smtpd."""

import concurrent.futures
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))

REALM = "bench.test"
SIZES = [1_000, 100_000, 1_000_000]
LONG_SIZE = 10_000_000
READY = 1_000_000  # accounts of the import with verifiers
PASSWORDS = 6_000
PASSWORD_ROUNDS = 3
SESSIONS = 100
SMTPD_ROUNDS = 9


def bench_server(args, mech, count, users, plugins, options, how=None):
    """One run of the C part, "again" or "deriving"; its JSON."""
    command = [os.path.join(args.build, "tests/bench/bench_server"), mech, str(count), str(users)]
    command += [how] if how else []
    for name, value in options.items():
        command += ["-o", f"{name}={value}"]
    done = subprocess.run(command, env=dict(os.environ, SASL_PATH=plugins), text=True,
                          capture_output=True, timeout=900, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


class Store:
    """One of our stores; accounts u0, u1 ... share the verifiers of the first."""

    def __init__(self, args, path, *options):
        self.path = path
        self.base = [os.path.join(args.build, "bin/sasl-lmdb"), "-f", path, "-k", path + ".key"]
        self.options = {"auxprop_plugin": "lmdb", "lmdb_path": path, "lmdb_keyfile": path + ".key"}
        self.run("init", *options)
        self.run("import", "--format", "tsv", "-", input=f"u0\t{REALM}\tpw\n")

    def run(self, *arguments, **keywords):
        return subprocess.run(self.base + list(arguments), check=True, capture_output=True,
                              text=True, **keywords).stdout

    def remove(self):
        for suffix in ("", "-lock", ".key"):
            os.unlink(self.path + suffix)

    def line(self, form):
        """The first account's line of an export, to be followed by others like it."""
        lines = self.run("export", "--format", form, "--with-secrets",
                         *(["--legacy"] if form == "jsonl" else [])).splitlines()
        return next(line for line in lines if "u0" in line)

    def fill(self, form, line, first, last, *options):
        """Imports u<first> .. u<last-1>; seconds of wall clock and of all processors.

        From a file that is on the disk already: who makes the lines takes a tenth of the time.
        """
        with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(self.path)) as file:
            head, tail = line.split("u0", 1)
            for at in range(first, last, 1000):
                file.write("".join(f"{head}u{i}{tail}\n" for i in range(at, min(last, at + 1000))))
            file.flush()
            os.fsync(file.fileno())
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            self.run("import", *options, "--format", form, file.name)
            seconds = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"accounts": last - first, "seconds": seconds,
                "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def timed(store, *arguments, **keywords):
    start = time.monotonic()
    subprocess.run(store.base + list(arguments), check=True, stdout=subprocess.DEVNULL, **keywords)
    return time.monotonic() - start


def verbs(store):
    """What a verb takes that reads everything."""
    backup = store.path + ".backup"
    result = {"bytes": os.path.getsize(store.path), "list": timed(store, "list"),
              "check": timed(store, "check"), "backup": timed(store, "backup", backup)}
    os.unlink(backup)
    return result


def sizes(args, sets):
    """A whole exchange among more and more accounts, in turn; and what is done to so many."""
    rows = {}
    stores = {}
    about = {}
    for size in SIZES + ([LONG_SIZE] if args.long else []):
        store = Store(args, os.path.join(sets.work, f"size-{size}.mdb"),
                      "--verifiers", "scram-sha-256,cram-md5")
        loaded = store.fill("jsonl", store.line("jsonl"), 0, size, "--replace")
        stores[size] = store
        about[str(size)] = {"import": loaded["seconds"], **verbs(store)}
    for _ in range(args.rounds):
        for name, mech, how in (("CRAM-MD5", "CRAM-MD5", "again"),
                                ("SCRAM-SHA-256", "SCRAM-SHA-256", "again"),
                                ("CRAM-MD5, at first", "CRAM-MD5", None)):
            for size, store in stores.items():
                value = bench_server(args, mech, 20000, size, sets.ours, store.options, how)
                rows.setdefault(name, {}).setdefault(str(size), []).append(value["middle_us"])
                about[str(size)].update((key, value[key]) for key in ("resident_kb", "private_kb"))
    return {"exchanges": {mech: {size: statistics.median(values) for size, values in row.items()}
                          for mech, row in rows.items()},
            "stores": about}


def memory(args, sets):
    """A process that has served a few logins: all it has resident, and what it shares with none."""
    result = {}
    for name, (plugins, options, users) in sets.columns(args).items():
        if name in ("ours", "stock"):
            value = bench_server(args, "CRAM-MD5", 100, users, plugins, options)
            result[name] = {key: value[key] for key in ("resident_kb", "private_kb")}
    return result


def derivation(args, sets):
    """Microseconds of one PBKDF2 while all processors are at one, as they are in an import."""

    def one(_):
        return bench_server(args, "pbkdf2-sha-256", 200, 10000, sets.ours, {})["middle_us"]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return statistics.mean(pool.map(one, range(os.cpu_count())))


def passwords(args, sets, settings):
    """An import of passwords; what it spends in PBKDF2 is told from one before and one after it."""
    store = Store(args, os.path.join(sets.work, "passwords.mdb"), *settings)
    before = derivation(args, sets)
    row = store.fill("tsv", f"u0\t{REALM}\tpw", 1, PASSWORDS)
    each = (before + derivation(args, sets)) / 2
    row["pbkdf2_share"] = row["accounts"] * each / 1e6 / (os.cpu_count() * row["seconds"])
    store.remove()
    return row


def imports(args, sets):
    result = {}
    scram = ("--verifiers", "scram-sha-256")
    for name, form, settings, options in (
        ("jsonl, all verifiers", "jsonl", (), ()),
        ("jsonl, SCRAM-SHA-256", "jsonl", scram, ()),
        ("dovecot, SCRAM-SHA-256", "dovecot", scram, ()),
        ("jsonl, all verifiers, --replace", "jsonl", (), ("--replace",)),
        ("jsonl, SCRAM-SHA-256, --replace", "jsonl", scram, ("--replace",)),
        ("dovecot, SCRAM-SHA-256, --replace", "dovecot", scram, ("--replace",)),
    ):
        store = Store(args, os.path.join(sets.work, "import.mdb"), *settings)
        result[name] = store.fill(form, store.line(form), 0 if options else 1, READY, *options)
        store.remove()
    rows = sorted((passwords(args, sets, scram) for _ in range(PASSWORD_ROUNDS)),
                  key=lambda row: row["pbkdf2_share"])
    result["passwords, SCRAM-SHA-256"] = rows[len(rows) // 2]
    return result


def on_cpu(pids):
    """Seconds these processes have been on a processor, as the scheduler counts them."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def smtpd(args, _sets):
    """CPU of smtpd for a session (connect, EHLO, AUTH, QUIT); the kinds take turns."""
    os.environ.setdefault("SASL_LMDB_PLUGINS", os.path.join(args.build, "plugins"))
    os.environ.setdefault("SASL_LMDB_TOOLS", os.path.join(args.build, "bin"))
    import exchanges
    import smtp_talk
    from postfix import Postfix
    from store import LmdbStore, SasldbStore
    from workdir import WorkDir

    settings = {"max_use": "1000000", "max_idle": "3600s"}
    kinds = {"no AUTH": ("ours", None), "ours, SCRAM-SHA-256": ("ours", "SCRAM-SHA-256"),
             "ours, CRAM-MD5": ("ours", "CRAM-MD5"), "stock, CRAM-MD5": ("stock", "CRAM-MD5"),
             "stock, PLAIN": ("stock", "PLAIN"), "stock, LOGIN": ("stock", "LOGIN")}
    times = {}
    with WorkDir() as work:
        servers = {}
        for name, kind in (("ours", LmdbStore), ("stock", SasldbStore)):
            store = kind(work, name + "-store")
            store.create()
            store.add("u0", "mail.lab.test", "pw")
            server = Postfix(work, {"smtpd": store.conf()}, plugin_path=store.plugin_path,
                             settings=settings, name=name,
                             services={"smtp": {"process limit": "1"}})
            server.start()
            if name == "stock":
                store.into_jail(server.queue)
            store.publish()
            servers[name] = server
        for round_number in range(SMTPD_ROUNDS + 1):
            for kind, (name, mech) in kinds.items():
                server = servers[name]
                with smtp_talk.SmtpTalk(server.port):
                    pids = [pid for pid, command in server.processes() if command == "smtpd"]
                before = on_cpu(pids)
                for _ in range(args.sessions):
                    with smtp_talk.SmtpTalk(server.port) as talk:
                        if mech is not None:
                            reply = exchanges.authenticate(talk, mech, "u0", "pw")
                            if reply.code != 235:
                                sys.exit(f"{kind}: {reply}")
                if round_number > 0:  # the first one is to warm up
                    spent = (on_cpu(pids) - before) / args.sessions * 1e6
                    times.setdefault(kind, []).append(spent)
        for server in servers.values():
            server.stop()
    return {kind: statistics.median(values) for kind, values in times.items()}
