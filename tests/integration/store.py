#!/usr/bin/env python3
"""The store: sweeps that are killed at random moments and resumed lose and double nothing, in the store, in the
output and in the chains; what is no store, damaged, locked or full is refused or ends in order; the next night
verifies nothing that is known."""
import collections
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from driving import (PINSWEEP, Checks, Fleet, as_started_by_hand, complaints, finish, folder, run, start,  # noqa: E402
                     wait_until)

check = Checks("store")
SEED = int(os.environ.get("PINSWEEP_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
KILLS = 104  # kill -9, in all lanes
LANES = 3
IDENTITIES = 700
RANGE = 128  # addresses that share a line


class World:
    def __init__(self, path):
        self.path = path
        self.inventory, self.trust, self.policy = (self.at(name) for name in ("i.csv", "t.pem", "p.yaml"))

    def at(self, name):
        return os.path.join(self.path, name)

    def options(self, store, output=None):
        options = ["sweep", "-f", self.inventory, "--cacert", self.trust, "--policy", self.policy,
                   "--server-rate-limit", 0, "--server-concurrency", 0, "--store", store, "-q"]
        return options + (["-o", output] if output else [])

    def write_plain(self, port):
        """The same addresses as plain lines, and a range; returns the targets: line, host, port."""
        self.plain, self.port = self.at("plain.txt"), port
        expected = set()
        with open(self.plain, "w", encoding="ascii") as file, open(self.inventory, encoding="ascii") as csv:
            for number, line in enumerate(csv, 1):
                address = line.split(",")[0]
                file.write(f"{address}\n")
                expected.add((number, address, port))
            file.write("# a range\n127.77.1.0/25\n")
        return expected | {(number + 2, f"127.77.1.{i}", port) for i in range(RANGE)}


def sha256_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def lines_of(path):
    with open(path, "rb") as file:
        return file.read().splitlines(keepends=True)


def query(store, sql, *arguments):
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=20) as connection:
        result = connection.execute(sql, arguments).fetchall()
    connection.close()
    return result


def committed(store):
    """Targets of the sweep begun last; 0 also of a store that is just being made."""
    try:
        return query(store, "SELECT targets FROM sweep ORDER BY id DESC LIMIT 1")[0][0]
    except (sqlite3.OperationalError, IndexError):
        return 0


def is_begun(store, output):
    """Whether there is something to resume: the end may have come before."""
    try:
        return bool(query(store, "SELECT 1 FROM sweep WHERE output_file = ? AND state <> 'done'", output))
    except sqlite3.OperationalError:
        return False


def view_of(record):
    return [(view["address"], view["status"], view["chain_id"]) for view in record["views"]]


def decided(pin_set):
    """The set's verdict and its first match, or its first failure, as the view "judgements" tells it."""
    units = pin_set["matches" if pin_set["would_be"] in ("match", "match-backup") else "failed"]
    verdict = pin_set["name"], pin_set["verdict"]
    if not units:
        return *verdict, None, "", None, "", "", "", ""
    unit = units[0]
    return (*verdict, unit["view"], unit["trust"], unit["path"] if unit["path"] >= 0 else None, unit["pin"],
            unit.get("role", ""), unit["certificate"], unit.get("reason", ""))


def compare_whole(what, store, output, chains, expected, metadata):
    """Every target of the inventory is once in the file and once in the store, and the same in both."""
    lines = lines_of(output)
    check(f"{what}: whole lines", all(line.endswith(b"\n") for line in lines))
    records = [json.loads(line) for line in lines]
    names = {record["sweep"] for record in records}
    check.same(f"{what}: one sweep in the file", len(names), 1)
    sweep = names.pop()
    keys = collections.Counter((record["line"], record["host"], record["port"]) for record in records)
    check.same(f"{what}: each target once in the file", [k for k, n in keys.items() if n > 1], [])
    check.same(f"{what}: none lost, none invented", set(keys) ^ expected, set())
    rows = query(store, "SELECT line, host, port, status, verdict, target FROM targets WHERE sweep = ?", sweep)
    in_store = collections.Counter(row[:5] for row in rows)
    in_file = collections.Counter((r["line"], r["host"], r["port"], r["status"], r["verdict"]) for r in records)
    check.same(f"{what}: store and file are the same", in_store, in_file)
    views = collections.Counter(query(
        store, "SELECT target.line, target.host, views.address, views.status, coalesce(chain_id, '') FROM views "
        "JOIN target ON target.id = views.target WHERE views.sweep = ?", sweep))
    check.same(f"{what}: views", views,
               collections.Counter((r["line"], r["host"], *view) for r in records for view in view_of(r)))
    sets = collections.Counter(query(
        store, "SELECT line, target.host, pin_set, judgements.verdict, view, trust, path, pin, "
        "CASE reason WHEN '' THEN role ELSE '' END, certificate, reason "
        "FROM judgements JOIN target ON target.id = judgements.target WHERE sweep = ?", sweep))
    check.same(f"{what}: judgements and what decided them", sets,
               collections.Counter((r["line"], r["host"], *decided(s)) for r in records for s in r["pin_sets"]))
    ids = [json.loads(line)["chain_id"] for line in lines_of(chains)]
    check.same(f"{what}: each chain once", len(ids), len(set(ids)))
    used = {view["chain_id"] for record in records for view in record["views"]} - {""}
    check.same(f"{what}: every chain is there", used - set(ids), set())
    state, targets, text = query(store, "SELECT state, targets, metadata FROM sweep WHERE name = ?", sweep)[0]
    check.same(f"{what}: state", (state, targets), ("done", len(expected)))
    with open(metadata, encoding="utf-8") as file:
        document = json.load(file)
    kept = json.loads(text)
    for name in "targets", "statuses", "verdicts", "pkix", "handshakes", "runs", "started", "interrupted":
        check.same(f"{what}: metadata {name}", document[name], kept[name])
    check.same(f"{what}: counts", {document["targets"], sum(document["statuses"].values()),
                                   sum(document["verdicts"].values())}, {len(expected)}, document)
    check(f"{what}: attempts", document["handshakes"]["attempted"] >= len(expected), document["handshakes"])
    check.same(f"{what}: metadata are valid", complaints("metadata", json.dumps(document).encode() + b"\n")[:3], [])
    return document


class Lane(threading.Thread):
    """One sweep after another, each killed and resumed until it ends by itself."""

    def __init__(self, world, number, expected):
        super().__init__()
        self.world, self.number, self.expected = world, number, expected
        self.random = random.Random(f"{SEED} {number}")
        self.kills = self.interrupts = self.sweeps = self.runs_max = 0
        self.store = world.at(f"lane{number}.db")
        self.error = None

    def run(self):
        try:
            while self.kills < KILLS / LANES:
                self.one_sweep()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def one_sweep(self):
        self.sweeps += 1
        names = [self.world.at(f"lane{self.number}.{self.sweeps}.{end}") for end in ("ndjson", "chains", "json")]
        output, chains, metadata = names
        options = self.world.options(self.store, output) + ["-f", self.world.plain, "--chains-out", chains,
                                                            "--metadata-file", metadata, "--port",
                                                            self.world.port, "--workers", 2, "--rate", 800]
        if self.sweeps % 2 == 0:
            options.append("--shuffle")
        begun = False
        while True:
            process = start(*options, *(["--resume"] if begun else ["--overwrite"]))
            how = self.random.choice(["kill"] * 5 + ["interrupt", "twice", "let"])
            delay = self.random.uniform(0.01, 0.9)
            if how == "let":
                delay = 60
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                if how == "kill":
                    process.kill()
                    self.kills += 1
                else:
                    process.send_signal(signal.SIGINT)
                    self.interrupts += 1
                    if how == "twice":
                        time.sleep(self.random.uniform(0, 0.02))
                        process.send_signal(signal.SIGINT)
            result = finish(process)
            text = result.text
            if result.code in (0, 1):
                break
            check(f"lane {self.number}: ends in order", result.code in (-9, -2, 130) or "holds no" in text,
                  result.code, text[-1000:], f"seed {SEED}")
            begun = is_begun(self.store, output)
        document = compare_whole(f"lane {self.number} sweep {self.sweeps} (seed {SEED})", self.store, output, chains,
                                 self.expected, metadata)
        self.runs_max = max(self.runs_max, document["runs"])
        for name in names:
            os.unlink(name)


def random_kills(world, expected):
    print(f"  seed: PINSWEEP_TEST_SEED={SEED}")
    lanes = [Lane(world, number, expected) for number in range(LANES)]
    began = time.monotonic()
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
        check(f"lane {lane.number} went through", lane.error is None, repr(lane.error))
        check.same("the store is whole", query(lane.store, "PRAGMA integrity_check"), [("ok",)])
        check.same("what is named is there", query(lane.store, "PRAGMA foreign_key_check"), [])
    kills = sum(lane.kills for lane in lanes)
    print(f"  {kills} kills, {sum(lane.interrupts for lane in lanes)} interrupts, "
          f"{sum(lane.sweeps for lane in lanes)} sweeps, up to {max(lane.runs_max for lane in lanes)} runs of one, "
          f"{time.monotonic() - began:.0f} s")
    check("at least 100 kills", kills >= 100, kills)
    check("sweeps went on", max(lane.runs_max for lane in lanes) >= 2)


def same_but_the_moment(record):
    record = dict(record, sweep="", time="")
    record["views"] = sorted((dict(view, timing_ms={}) for view in record["views"]), key=lambda view: view["address"])
    return record


def by_line(path):
    return {(r["line"], r["host"]): same_but_the_moment(r) for r in map(json.loads, lines_of(path))}


def second_night(world):
    """What is known is not verified again, and gives the same records."""
    store = world.at("nights.db")
    outputs = [world.at(f"night{i}.ndjson") for i in range(4)]
    tables = []
    for i, output in enumerate(outputs):
        options = world.options(store, output) + ["--metadata-file", world.at(f"night{i}.json")]
        if i == 2:  # one profile more: only that one is verified
            options += ["--trust", f"other={world.trust}2"]
        if i == 3:
            options = [o for o in options if o not in ("-o", output)]
        result = run(*options)
        check("night ends", result.code in (0, 1), result.text)
        if i == 3:
            check.same("no records but the store's", result.out, b"")
        with open(world.at(f"night{i}.json"), encoding="utf-8") as file:
            tables.append(json.load(file)["chains"])
    check.same("first night: verified", (tables[0]["path_sets_known"], tables[0]["leaves_verified"] > 0), (0, True))
    for i in 1, 3:
        check.same("later: nothing verified", {name: tables[i][name] for name in (
            "path_sets_built", "paths_verified", "leaves_verified", "issuer_edges_built")},
            {"path_sets_built": 0, "paths_verified": 0, "leaves_verified": 0, "issuer_edges_built": 0})
        check.same("later: all known", tables[i]["path_sets_known"], tables[0]["path_sets_built"])
    check("a new profile is verified", tables[2]["path_sets_known"] == 0 and tables[2]["leaves_verified"] > 0,
          tables[2])
    check.same("the same records", by_line(outputs[0]) == by_line(outputs[1]), True)
    third = by_line(outputs[2])
    for record in third.values():
        for view in record["views"]:
            view["paths"] = [path for path in view["paths"] if path["trust"] != "other"]
            view["pkix"] = [result for result in view["pkix"] if result["trust"] != "other"]
    check.same("the same with a profile more", by_line(outputs[0]) == third, True)
    counts = query(store, "SELECT count(*) FROM target GROUP BY id >> 34")
    check.same("each night is there", counts, [(IDENTITIES,)] * 4)
    for table, column in ("chain", "chain_sha256"), ("certificate", "cert_sha256"):
        doubled = query(store, f"SELECT count(*) - count(DISTINCT {column}) FROM {table}")
        check.same(f"each {table} once", doubled, [(0,)])
    indexes = {name for name, in query(store, "SELECT name FROM sqlite_schema WHERE type = 'index'")}
    check("indexes were made", {"certificate_digest", "chain_digest"} <= indexes, indexes)
    # paths of the store are those of the records
    record = json.loads(lines_of(outputs[1])[0])
    view = record["views"][0]
    paths = query(store, "SELECT DISTINCT trust, paths.certificates FROM paths JOIN chain ON chain.id = paths.chain "
                  "WHERE lower(hex(chain_sha256)) = ?", view["chain_id"])
    digests = dict(query(store, "SELECT id, lower(hex(cert_sha256)) FROM certificate"))
    stored = {(trust, tuple(digests[row] for row in json.loads(rows))) for trust, rows in paths if trust != "other"}
    check.same("paths as in the record", stored, {(p["trust"], tuple(p["certificates"])) for p in view["paths"]})


def refused(world, what, store, words, code=2, extra=(), output=None, keep=None):
    """A sweep into that store is refused with these words, and the file is as it was."""
    before = sha256_of(keep or store) if os.path.isfile(keep or store) else None
    result = run(*world.options(store, output), *extra)
    check.same(f"{what}: exit code", result.code, code, result.text)
    check(f"{what}: says why", words in result.text, result.text)
    check(f"{what}: no sanitizer", result.is_clean(), result.text)
    if before is not None:
        check.same(f"{what}: left as it was", sha256_of(keep or store), before)
    return result


def bad_stores(world):
    good = world.at("good.db")
    check("a good store", run(*world.options(good)).code in (0, 1))
    text = world.at("text.db")
    with open(text, "w", encoding="ascii") as file:
        file.write("precious\n" * 100)
    refused(world, "a text", text, "no store of pinsweep (not even an SQLite file)")
    foreign = world.at("foreign.db")
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE precious (id)")
    connection.close()
    refused(world, "a database", foreign, "no store of pinsweep")
    other = world.at("other.db")
    shutil.copy(good, other)
    with sqlite3.connect(other, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    refused(world, "another version", other, "version 9, this pinsweep knows version 1")
    cut = world.at("cut.db")
    shutil.copy(good, cut)
    os.truncate(cut, os.path.getsize(cut) // 2)
    refused(world, "cut short", cut, "damaged")
    noise = world.at("noise.db")
    shutil.copy(good, noise)
    root = query(good, "SELECT rootpage FROM sqlite_schema WHERE name = 'chain'")[0][0]
    with open(noise, "r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xA5" * 4096)
    refused(world, "a damaged page", noise, "damaged")
    mixed = world.at("mixed.db")  # paths begin at other leaves than the chains do
    shutil.copy(good, mixed)
    with sqlite3.connect(mixed) as connection:
        connection.execute("UPDATE chain SET certificates = '[1,1]'")
    connection.close()
    result = run("impact", "--store", mixed, "--policy", world.policy, "--single-failure")
    check("other leaves: no crash", result.code in (0, 1, 2) and result.is_clean(), result.code, result.text[-1000:])
    refused(world, "a folder", world.path, "Is a directory")
    refused(world, "a device", "/dev/null", "a store is a file")
    refused(world, "no such folder", world.at("absent/x.db"), "No such file")
    refused(world, "the store is the output", good, "files of their own", output=good)
    refused(world, "the store is the inventory", world.inventory, "place of the inventory")


def locked_stores(world):
    store = world.at("locked.db")
    check("a good store", run(*world.options(store)).code in (0, 1))
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    refused(world, "locked by a shell", store, "locked by another program")
    connection.execute("ROLLBACK")
    connection.close()
    process = start(*world.options(store), "--rate", 150)
    check("begun", wait_until(lambda: 0 < committed(store) < IDENTITIES, 30))
    second = run(*world.options(store))
    check.same("a second sweep: exit code", second.code, 2, second.text)
    check("a second sweep: says why", "another sweep is writing" in second.text, second.text)
    # read while it runs, with the shell if it is there; the sweep does not mind a reader that stays
    counts = []
    reader = sqlite3.connect(f"file:{store}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    fixed = reader.execute("SELECT count(*) FROM targets").fetchone()[0]
    while process.poll() is None:
        if shutil.which("sqlite3"):
            shell = subprocess.run(["sqlite3", store, "SELECT count(*) FROM targets"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, check=False)
            check.same("the shell reads", (shell.returncode, shell.stderr), (0, b""))
            counts.append(int(shell.stdout))
        else:
            counts.append(query(store, "SELECT count(*) FROM targets")[0][0])
        time.sleep(0.3)
    check("rows appear while it runs", len(set(counts)) >= 4 and counts == sorted(counts), counts)
    check.same("a reader sees one moment", reader.execute("SELECT count(*) FROM targets").fetchone()[0], fixed)
    reader.execute("COMMIT")
    reader.close()
    check("and it ends well", finish(process).code in (0, 1))
    check.same("all of both", query(store, "SELECT count(*) FROM target"), [(2 * IDENTITIES,)])


def begun_at_once(world):
    """Several sweeps that would all make the store: who comes in is whole, the others are told."""
    one = world.at("one.txt")
    with open(one, "w", encoding="ascii") as file:
        file.write(f"127.0.0.1:{world.port}\n")
    for turn in range(5):
        store = world.at(f"rush{turn}.db")
        if turn % 2 == 1:
            with open(store + ".new", "w", encoding="ascii") as file:
                file.write("of one that was killed")
        rush = [start(*world.options(store), "-f", one) for _ in range(5)]
        results = [finish(process) for process in rush]
        done = sum(result.code in (0, 1) for result in results)
        told = sum(result.code == 2 and "another sweep" in result.text for result in results)
        check.same("all are in or told", done + told, len(rush), [result.text for result in results])
        check("one is in", done >= 1)
        check.same("who is in is there", query(store, "SELECT count(*), sum(state = 'done') FROM sweep"), [(done, done)])
        check("nothing is left over", not os.path.exists(store + ".new"))


def full_disks(world):
    """Whatever does not fit: exit code 4, what was committed stays, and a resume ends it."""
    for limit in 150_000, 400_000, 1_200_000:
        store, output = world.at(f"full{limit}.db"), world.at(f"full{limit}.ndjson")
        options = world.options(store, output)
        result = run(*options, limits=[(resource.RLIMIT_FSIZE, limit)])
        check.same(f"{limit} bytes: exit code", result.code, 4, result.text)
        check(f"{limit} bytes: says why", "full" in result.text or "too large" in result.text or
              "I/O" in result.text, result.text)
        check("no sanitizer", result.is_clean(), result.text)
        result = run(*options, *(["--resume"] if is_begun(store, output) else ["--overwrite"]))
        check(f"{limit} bytes: resumed", result.code in (0, 1), result.text)
        hosts = [json.loads(line)["host"] for line in lines_of(output)]
        check.same("each once", (len(hosts), len(set(hosts))), (IDENTITIES, IDENTITIES))
        check.same("as in the store", sorted(hosts), sorted(
            host for host, in query(store, "SELECT host FROM target")))
        check.same("whole", query(store, "PRAGMA integrity_check"), [("ok",)])


def read_only_folder(world):
    """Neither made nor written to by who may not."""
    closed = world.at("closed")
    os.mkdir(closed)
    store = os.path.join(closed, "s.db")
    check("a good store", run(*world.options(store)).code in (0, 1))
    os.chmod(world.path, 0o755)
    os.chmod(store, 0o666)
    os.chmod(closed, 0o555)
    as_nobody = os.geteuid() == 0

    def prepare():
        as_started_by_hand()()
        if as_nobody:
            os.setgid(65534)
            os.setuid(65534)
    for what, name, words in (("existing", store, "folder must be writable"),
                              ("new", os.path.join(closed, "new.db"), "Permission denied")):
        before = sha256_of(store)
        process = subprocess.Popen([PINSWEEP, *map(str, world.options(name))], preexec_fn=prepare,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        result = finish(process)
        if as_nobody and result.code in (126, 127, 1) and not result.err:
            check.skip("read-only folder", "nobody may not run the program here")
            break
        check(f"{what}: refused", result.code in (2, 4), result.code, result.text)
        check(f"{what}: says why", words in result.text, result.text)
        check.same("left as it was", sha256_of(store), before)
    os.chmod(closed, 0o755)


def interrupted(world, name, *options):
    """A store with a sweep that was interrupted half way."""
    store, output = world.at(f"{name}.db"), world.at(f"{name}.ndjson")
    process = start(*world.options(store, output), "--rate", 400, *options)
    check("begun", wait_until(lambda: committed(store) > 0, 30))
    process.send_signal(signal.SIGINT)
    result = finish(process)
    check.same("interrupted", result.code, 130, result.text)
    check("says how to go on", "--resume" in result.text, result.text)
    check.same("state", query(store, "SELECT state FROM sweep"), [("interrupted",)])
    statuses = {json.loads(line)["status"] for line in lines_of(output)}
    check("what was in flight is left for later", "cancelled" not in statuses, statuses)
    return store, output


def resume_refused(world):
    store, output = interrupted(world, "refused", "--shuffle", "--seed", 7)
    same = ["--shuffle", "--resume"]

    def refuse(what, words, extra, use_output=output, use_store=store):
        before = sha256_of(output)
        refused(world, what, use_store, words, extra=extra, output=use_output)
        check.same(f"{what}: the output is as it was", sha256_of(output), before)
    other = world.at("other.csv")
    with open(world.inventory, encoding="ascii") as file:
        text = file.read()
    with open(other, "w", encoding="ascii") as file:
        file.write(text + "# one line more\n")
    refuse("another inventory", "is not the inventory", [*same, "-f", other])
    refuse("no shuffle", "--shuffle true, not false", ["--resume"])
    refuse("another seed", "--seed 7", [*same, "--seed", 8])
    refuse("another depth", "--depth \"complete\", not \"capture\"", [*same, "--depth", "capture"])
    policy = world.at("other.yaml")
    with open(world.policy, encoding="ascii") as file:
        text = file.read()
    with open(policy, "w", encoding="ascii") as file:
        file.write(text.replace("name: ", "name: other-"))
    refuse("another policy", "another --policy", [*same, "--policy", policy])
    refuse("another bundle", "another --trust", [*same, "--trust", f"other={world.trust}"])
    refuse("shards", "--shards 1, not 2", [*same, "--shards", 2])
    refuse("another output", "wrote elsewhere", same, use_output=world.at("elsewhere.ndjson"))
    refuse("no output", "wrote elsewhere", same, use_output=None)
    refuse("chains now", "--chains-out", [*same, "--chains-out", world.at("chains.now")])
    refuse("overwrite", "without --overwrite", [*same, "--overwrite"])
    refuse("standard output", "cannot be taken back", same, use_output="-")
    empty = world.at("empty.db")
    check("an empty store", run(*world.options(empty), "-f", "/dev/null").code == 0)
    with sqlite3.connect(empty) as connection:
        connection.execute("DELETE FROM sweep")
    connection.close()
    refuse("nothing there", "holds no sweep", same, use_store=empty)
    result = run(*world.options(store, output)[:1], "--cacert", world.trust, "--store", store, "-o", output, *same,
                 text="127.0.0.1:1\n")
    check.same("a pipe: exit code", result.code, 2, result.text)
    check("a pipe: says why", "cannot be read again" in result.text, result.text)
    result = run("sweep", "-f", world.inventory, "-o", output, "--resume")
    check("no store: says why", result.code == 2 and "--resume needs --store" in result.text, result.text)
    length = query(store, "SELECT output_len FROM sweep")[0][0]
    kept = lines_of(output)
    os.truncate(output, length - 1)
    refuse("a shorter output", "does not hold them", same)
    with open(output, "wb") as file:
        file.write(b"".join(kept).replace(b'"sweep":"2', b'"sweep":"3'))
    refuse("another's records", "records of another sweep", same)
    with open(output, "wb") as file:
        file.write(b"".join(kept) + b'{"torn": ')
    result = run(*world.options(store, output), *same)
    check("after all of that it goes on", result.code in (0, 1), result.text)
    hosts = [json.loads(line)["host"] for line in lines_of(output)]
    check.same("each once", (len(hosts), len(set(hosts))), (IDENTITIES, IDENTITIES))
    check.same("seed", query(store, "SELECT seed, runs, state FROM sweep"), [("7", 2, "done")])
    refuse("done", "ended by itself", same)


def pipes(world):
    """A sweep of standard input is stored; interrupted, what was in flight is written as cancelled."""
    store = world.at("pipe.db")
    with open(world.inventory, "rb") as file:
        text = file.read()
    options = [o for o in world.options(store) if o not in ("-f", world.inventory)]
    result = run(*options, "-o", "-", text=text)
    check("a pipe is stored", result.code in (0, 1), result.text)
    check.same("records too", len(result.records), IDENTITIES)
    check.same("as many rows", query(store, "SELECT targets, state FROM sweep"), [(IDENTITIES, "done")])
    digest = query(store, "SELECT lower(hex(input_sha256)) FROM sweep")[0][0]
    check.same("digest at the end", digest, hashlib.sha256(text).hexdigest())


def main():
    with folder() as path:
        world = World(path)
        with Fleet(path, "--port", "0", "--fast", "--identities", str(IDENTITIES), "--count", str(IDENTITIES),
                   "--write-trust", world.trust, "--write-inventory", world.inventory, "--write-policy",
                   world.policy) as fleet:
            shutil.copy(world.trust, world.trust + "2")
            expected = world.write_plain(fleet.ports[0])
            for part, *arguments in ((second_night,), (bad_stores,), (locked_stores,), (begun_at_once,), (full_disks,),
                                     (read_only_folder,), (resume_refused,), (pipes,), (random_kills, expected)):
                check.part(part, world, *arguments)
    check.finish()


main()
