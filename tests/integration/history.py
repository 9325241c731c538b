"""Two nights of a fleet: see history.sh.

Three fleets stand for one: the same names everywhere, on one port of 127.0.0.1 (the first night's),
127.0.0.2 (the same keys, certificates made a month later) and 127.0.0.3 (other keys, other CAs).
Which of them a name leads to is the inventory's affair (its connect column)."""
import collections
import datetime
import json
import os
import re
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import driving  # noqa: E402

check = driving.Checks("history")
OLD, RENEWED, MOVED, NOBODY = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
SAME_HOSTS, RENEWED_HOSTS, MOVED_HOSTS = range(3, 11), range(11, 21), range(21, 31)
SILENT_HOSTS, GONE_HOSTS, NEW_HOSTS = range(31, 36), range(36, 39), range(39, 41)


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.port = driving.free_port()

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def fleet(self, address, *options):
        return driving.Fleet(self.folder, "--address", address, "--port", str(self.port), *options)

    def inventory(self, name, hosts):
        """hosts: number -> address to dial."""
        with open(self.path(name + ".csv"), "w", encoding="ascii") as file:
            file.write("host,port,connect,owner\n")
            for number, address in sorted(hosts.items()):
                file.write(f"h{number}.fleet.test,{self.port},{address},owner-{number % 3}\n")

    def sweep(self, name, *options):
        return driving.run("sweep", "-f", name + ".csv", "--trust", "fleet=trust.pem", "--policy", "policy.yaml",
                           "-o", name + ".ndjson", "--store", "fleet.db", "--metadata-file", name + ".json",
                           "--server-concurrency", "0", "--server-rate-limit", "0", "--connect-timeout", "20s",
                           "--retries", "0", "-q", *options, cwd=self.folder)

    def run(self, *arguments):
        return driving.run(*arguments, cwd=self.folder)


def make(place):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    before = (today - datetime.timedelta(days=30)).isoformat()
    old = place.fleet(OLD, "--date", before, "--identities", "40", "--write-trust", "old.pem",
                      "--write-policy", "policy.yaml")
    renewed = place.fleet(RENEWED, "--date", today.isoformat(), "--identities", "40")
    moved = place.fleet(MOVED, "--seed", "2", "--date", today.isoformat(), "--identities", "40",
                        "--write-trust", "moved.pem")
    with open(place.path("trust.pem"), "w", encoding="ascii") as trust:
        trust.write(place.read("old.pem") + place.read("moved.pem"))
    first = {number: OLD for number in range(3, 39)}
    second = {number: OLD for number in [*SAME_HOSTS, *NEW_HOSTS]}
    second |= {number: RENEWED for number in RENEWED_HOSTS}
    second |= {number: MOVED for number in MOVED_HOSTS}
    second |= {number: NOBODY for number in SILENT_HOSTS}
    place.inventory("first", first)
    place.inventory("second", second)
    return old, renewed, moved


def expected():
    """host -> what must be told of it, all of it."""
    changes = {}
    for number in RENEWED_HOSTS:
        changes[number] = ["renewed", "path-changed", "address-changed"]
    for number in MOVED_HOSTS:
        changes[number] = ["key-rotated", "issuer-changed", "root-changed", "address-changed", "verdict-worse",
                           "pin-set-worse"]
    changes |= {number: ["unreachable"] for number in SILENT_HOSTS}
    changes |= {number: ["gone"] for number in GONE_HOSTS}
    changes |= {number: ["new"] for number in NEW_HOSTS}
    return {f"h{number}.fleet.test": sorted(kinds) for number, kinds in changes.items()}


def told(records):
    changes = collections.defaultdict(list)
    for record in records[:-1]:
        changes[record["host"]].append(record["change"])
    return {host: sorted(kinds) for host, kinds in changes.items()}


def nights(place):
    check.same("the first night", place.sweep("first").code, 0)
    second = place.sweep("second", "--prometheus", "sweep.prom")
    check.same("the second night finds mismatches", second.code, 1, second.text)
    pairs = {"files": ("first.ndjson", "second.ndjson"), "a store": ("fleet.db#previous", "fleet.db"),
             "a file and a store": ("first.ndjson", "fleet.db#latest"),
             "a store and a file": ("fleet.db#latest~1", "second.ndjson")}
    for name, pair in pairs.items():
        result = place.run("diff", *pair, "--output", "ndjson")
        check.same(f"{name}: exit code", result.code, 1, result.text)
        check(f"{name}: clean", result.is_clean(), result.text)
        check.same(f"{name}: as the schema says", driving.complaints("diff", result.out), [])
        got, wanted = told(result.records), expected()
        check.same(f"{name}: exactly what changed", {host: got.get(host) for host in {*got, *wanted}
                                                     if got.get(host) != wanted.get(host)}, {},
                   *[record["change"] + ": " + record["detail"] for record in result.records[:5]])
        summary = result.records[-1]
        check.same(f"{name}: counts", (summary["matched"], summary["unchanged"], summary["not_compared"]),
                   (33, len(SAME_HOSTS), 0))
        evidence(name, result.records)
    check.same("nothing has changed from a night to itself",
               place.run("diff", "fleet.db", "second.ndjson").code, 0)
    text = place.run("diff", "fleet.db#previous", "fleet.db", "--limit", "3")
    check("text for people: counts", b"10  renewed" in text.out and b"7 more (--limit)" in text.out, text.out)
    check.same("--fail-on none", place.run("diff", "fleet.db#previous", "fleet.db", "--fail-on", "none").code, 0)


def evidence(name, records):
    changes = {(record["host"], record["change"]): record for record in records[:-1]}
    renewed = changes["h11.fleet.test", "renewed"]
    rotated = changes["h21.fleet.test", "key-rotated"]
    check(f"{name}: the key stays", renewed["before"]["spki_sha256"] == renewed["after"]["spki_sha256"] != "")
    check(f"{name}: the certificate does not", renewed["before"]["certificate"] != renewed["after"]["certificate"])
    check(f"{name}: it lives longer", renewed["before"]["not_after"] < renewed["after"]["not_after"])
    check(f"{name}: another key", "" != rotated["before"]["spki_sha256"] != rotated["after"]["spki_sha256"] != "")
    for record in renewed, rotated:
        check(f"{name}: paths end at anchors", len(record["after"]["path"]) >= 3 and record["after"]["anchor_subject"])
    worse = changes["h21.fleet.test", "pin-set-worse"]
    check.same(f"{name}: of which pin set", (worse["before"]["verdict"], worse["after"]["verdict"]),
               ("match", "mismatch"))
    check(f"{name}: owner", worse["owner"] == "owner-0" and worse["pin_set"] != "", worse)
    check(f"{name}: which pin matched", worse["before"]["pin"].startswith("sha256/"), worse)
    check.same(f"{name}: why none does now", (worse["after"]["pin"], worse["after"]["reason"]),
               ("", "no pin on the path"))


# --- metrics ---

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{({NAME}="(?:[^"\\\n]|\\["\\n])*"(?:,{NAME}="(?:[^"\\\n]|\\["\\n])*")*)\}})? '
                    r"(-?[0-9]+(?:\.[0-9]+)?)")


def parse_metrics(text):
    """The text format, strictly: HELP and TYPE before the samples of a name, together, each once."""
    if not text.endswith("\n"):
        raise ValueError("no newline at the end")
    samples, described, current = {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            if current in described or not line.split(" ", 3)[3]:
                raise ValueError("described twice, or by nothing: " + line)
            described.add(current)
        elif line.startswith("# TYPE "):
            if line.split(" ")[2:] != [current, "gauge"]:
                raise ValueError("type of another metric: " + line)
        else:
            found = SAMPLE.fullmatch(line)
            if not found or found[1] != current:
                raise ValueError("no sample of the metric described: " + line)
            if (found[1], found[2]) in samples:
                raise ValueError("twice: " + line)
            samples[found[1], found[2]] = float(found[3])
    return samples


def metrics(place):
    text = place.read("sweep.prom")
    samples = parse_metrics(text)
    metadata = json.loads(place.read("second.json"))
    get = lambda name, label=None: samples.get(("pinsweep_" + name, label))  # noqa: E731
    check.same("targets", get("targets"), 35)
    check.same("by verdict", {label.split('"')[1]: count for (name, label), count in samples.items()
                              if name == "pinsweep_verdict_targets"}, metadata["verdicts"])
    check.same("by status", {label.split('"')[1]: count for (name, label), count in samples.items()
                             if name == "pinsweep_status_targets"}, metadata["statuses"])
    check.same("mismatches", get("verdict_targets", 'verdict="mismatch"'), len(MOVED_HOSTS))
    check.same("handshakes", get("handshakes", 'state="completed"'), 30)
    ends = [path["not_after"] for line in place.read("second.ndjson").splitlines()
            for view in json.loads(line)["views"] for path in view["paths"] if path["preferred"]]
    first = datetime.datetime.fromisoformat(min(ends).replace("Z", "+00:00")).timestamp()
    check.same("the first end", get("first_expiry_timestamp_seconds"), first)
    ended = get("last_success_timestamp_seconds")
    check("seconds to it", abs(get("first_expiry_seconds") - (first - ended)) < 0.01)
    check.same("the metadata say it too", metadata["first_expiry"], min(ends))
    check("it took a while", get("sweep_duration_seconds") > 0 and get("handshakes_per_second") > 0)
    check("no rehearsal is known", get("oldest_rehearsal_timestamp_seconds") is None
          and get("pin_sets_never_rehearsed") == get("pin_sets") > 0)
    check("nothing is left beside it", not os.path.exists(place.path("sweep.prom.new")))
    promtool = shutil.which("promtool")
    if promtool is None:
        check.skip("promtool", "not installed")
        return
    said = subprocess.run([promtool, "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    check.same("promtool has nothing to say", (said.returncode, said.stdout + said.stderr), (0, b""))


def metrics_stay(place):
    """A sweep that fails or is refused leaves the metrics of the last good one."""
    before = place.read("sweep.prom")
    place.inventory("third", {3: OLD})
    result = place.sweep("third", "--prometheus", "sweep.prom", "--policy", "nowhere.yaml")
    check.same("a bad policy", result.code, 2)
    check.same("the metrics stay", place.read("sweep.prom"), before)
    result = place.sweep("third", "--prometheus", "nowhere/sweep.prom")
    check.same("a folder that is not there", result.code, 4, result.text)
    check("it is said", "nowhere/sweep.prom: cannot write the metrics" in result.text, result.text)


def ends(place):
    """Of the second night: all leaves and what is above them, with the policy's pin sets."""
    records = [json.loads(line) for line in place.read("second.ndjson").splitlines()]
    needed = {}
    for view in (view for record in records for view in record["views"] if view["status"] == "success"):
        for path in view["paths"]:
            if path["preferred"]:
                needed |= {certificate: path for certificate in path["certificates"]}
        needed[view["chain"][0]["cert_sha256"]] = view
    told_of = {}
    for name in "fleet.db", "second.ndjson":
        result = place.run("expiry", "--from", name, "--policy", "policy.yaml", "--trust", "fleet=trust.pem",
                           "--within", "all", "--output", "ndjson", "--fail-on", "none")
        check.same(f"expiry of {name}: exit code", result.code, 0, result.text)
        check(f"expiry of {name}: clean", result.is_clean(), result.text)
        check.same(f"expiry of {name}: as the schema says", driving.complaints("expiry", result.out), [])
        items = [item for item in result.records if item["type"] == "expiry" and item["kind"] == "certificate"]
        told_of[name] = {item["certificate"]: (item["role"], item["endpoints"]) for item in items}
        check.same(f"expiry of {name}: each once", len(items), len(told_of[name]))
    check.same("all that clients need, from a store", set(told_of["fleet.db"]), set(needed))
    # an anchor's end is in a record only if nothing on the path ends before it
    check("from records what they say", set(told_of["second.ndjson"].items()) <= set(told_of["fleet.db"].items()))
    leaves = [role for role, _ in told_of["fleet.db"].values() if role == "leaf"]
    check.same("leaves", len(leaves), 30)
    late = place.run("expiry", "--from", "fleet.db", "--at", "2099-01-01")
    check.same("all has ended in 2099", late.code, 1, late.text)
    check("and is said so", b" expired, 0 too late for their lead time, 0 to be done within 90 days, 0 later" in late.out,
          late.out)


def outputs(place):
    """-o FILE of every command that writes at its end: refused, replaced, or left as it was."""
    sure = "--policy", "policy.yaml", "--trust", "fleet=trust.pem"
    commands = {"diff": ("diff", "first.ndjson", "second.ndjson"), "report": ("report", "second.ndjson"),
                "expiry": ("expiry", "--from", "second.ndjson", *sure, "--within", "all", "--limit", "100000"),
                "impact": ("impact", "second.ndjson", *sure, "--single-failure", "--output", "ndjson"),
                "lint": ("pins", "lint", *sure, "--output", "sarif")}
    for name, command in commands.items():
        file = place.path(name + ".out")
        with open(file, "w", encoding="ascii") as old:
            old.write("old\n")
        os.chmod(file, 0o640)
        result = place.run(*command, "-o", file)
        check.same(f"{name}: what is there is refused", (result.code, place.read(file)), (2, "old\n"), result.text)
        check(f"{name}: and that is said",
              f"{file}: the file exists and is not empty; say --overwrite" in result.text, result.text)
        result = driving.run(*command, "-o", file, "--overwrite", cwd=place.folder,
                             limits=[(resource.RLIMIT_FSIZE, 100)])
        check.same(f"{name}: no room leaves it as it was", (result.code, place.read(file)), (4, "old\n"), result.text)
        check(f"{name}: and that is said too", f"{file}: cannot be written: File too large" in result.text, result.text)
        result = place.run(*command, "-o", file, "--overwrite")
        check(f"{name}: --overwrite replaces it", result.code in (0, 1) and "old\n" not in place.read(file)[:4],
              result.text)
        check.same(f"{name}: with its permissions", os.stat(file).st_mode & 0o777, 0o640)
        check(f"{name}: clean", result.is_clean(), result.text)
        os.truncate(file, 0)
        check(f"{name}: an empty file is no loss", place.run(*command, "-o", file).code in (0, 1))
        check(f"{name}: nor is a device", place.run(*command, "-o", "/dev/null").code in (0, 1))
        result = place.run(*command, "-o", "/dev/full")
        check(f"{name}: a device that is full",
              result.code == 4 and "/dev/full: cannot be written: No space left on device" in result.text, result.text)
        result = place.run(*command, "-o", "nowhere/out")
        check(f"{name}: a folder that is not there",
              result.code == 4 and "nowhere/out: cannot be written: No such file or directory" in result.text,
              result.text)
        link = place.path(name + ".link")
        os.symlink(file, link)
        check(f"{name}: a link is followed", place.run(*command, "-o", link, "--overwrite").code in (0, 1)
              and os.path.islink(link))
    check.same("nothing is left beside", [name for name in os.listdir(place.folder) if name.endswith(".new")], [])


def main():
    with driving.folder() as folder:
        place = Place(folder)
        fleets = make(place)
        try:
            for part in nights, ends, outputs, metrics, metrics_stay:
                check.part(part, place)
        finally:
            for fleet in fleets:
                fleet.__exit__()
    check.finish()


main()
