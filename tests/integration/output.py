"""What comes out, whatever happens: see output.sh."""
import array
import collections
import fcntl
import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import driving  # noqa: E402

check = driving.Checks("output")
PATIENT = ["--connect-timeout", "60s", "--io-timeout", "60s", "--target-timeout", "100s", "--server-rate-limit", "0",
           "--server-concurrency", "0"]
FULL = "No space left on device"


class Place:
    """The fleet and the files that all parts use."""

    def __init__(self, folder, fleet):
        self.folder = folder
        self.good, self.silent = fleet.ports
        self.refused = driving.free_port()
        with open(self.path("inventory"), encoding="ascii") as file:
            self.rows = file.read().splitlines()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return name

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def good_lines(self, count):
        """zgrab2 lines of good targets, as many as wanted."""
        return "".join(self.rows[i % len(self.rows)] + "\n" for i in range(count))

    def silent_lines(self, count):
        return "".join(f"127.0.3.{i % 250 + 1},,,{self.silent}\n" for i in range(count))

    def sweep(self, *arguments, **options):
        return driving.run("sweep", *PATIENT, *arguments, cwd=self.folder, **options)

    def start(self, *arguments, **options):
        return driving.start("sweep", *PATIENT, *arguments, cwd=self.folder, **options)


def are_whole(text):
    """Every line a JSON object, the last one too."""
    if text and not text.endswith(b"\n"):
        return False
    return all(isinstance(json.loads(line), dict) for line in text.splitlines())


def remove(place, *names):
    for name in names:
        if os.path.exists(place.path(name)):
            os.remove(place.path(name))


# --- files ---

def existing_files(place):
    one = f"127.0.0.1:{place.refused}\n"
    place.write("out", "")
    check.same("an empty file is taken", place.sweep("-o", "out", text=one).code, 0)
    first = place.read("out")
    check.same("one record", first.count(b"\n"), 1)
    for option in "-o", "--chains-out":
        server = driving.Server(driving.read_to_end)
        result = place.sweep(option, "out", text=f"127.0.0.1:{server.port}\n")
        check.same(f"{option}: an existing file is refused", result.code, 2, result.text)
        check(f"{option}: and told how", "--overwrite" in result.text and "--append" in result.text, result.text)
        check.same(f"{option}: and left alone", place.read("out"), first)
        check.same(f"{option}: before anything is connected to", server.accepted, 0)
        server.close()
    check.same("--append", place.sweep("-o", "out", "--append", text=one).code, 0)
    check("keeps what was there", place.read("out").startswith(first) and place.read("out").count(b"\n") == 2)
    check.same("--overwrite", place.sweep("-o", "out", "--overwrite", text=one).code, 0)
    check.same("replaces it", place.read("out").count(b"\n"), 1)
    place.write("out", "{}\n{\"torn")
    result = place.sweep("-o", "out", "--append", text=one)
    check.same("--append to a torn file is refused", result.code, 2, result.text)
    check.same("and leaves it", place.read("out"), b"{}\n{\"torn")
    result = place.sweep("-o", "no/such/folder/out", text=one)
    check("a folder that is missing", result.code == 4 and "no/such/folder/out" in result.text, result.code, result.text)
    result = place.sweep("--metadata-file", "no/such/folder/out", text=one)
    check("a metadata file that cannot be: records all the same", result.code == 4 and len(result.records) == 1, result.text)
    result = place.sweep("-o", "same", "--metadata-file", "same", text=one)
    check.same("outputs in each other's way", result.code, 2, result.text)


def full_disk(place):
    lines = place.good_lines(100)
    result = place.sweep("-o", "/dev/full", text=lines)
    check("/dev/full", result.code == 4 and FULL in result.text and "/dev/full" in result.text, result.code, result.text)
    with open("/dev/full", "wb") as full:
        result = place.sweep(text=lines, stdout=full)
    check("/dev/full as standard output", result.code == 4 and FULL in result.text, result.code, result.text)
    result = place.sweep("--chains-out", "/dev/full", text=lines)
    check("/dev/full for chains", result.code == 4 and FULL in result.text, result.code, result.text)
    check("whole records beside it", are_whole(result.out))
    remove(place, "out")
    result = place.sweep("-o", "out", "--metadata-file", "metadata", "--overwrite", text=lines,
                         limits=[(resource.RLIMIT_FSIZE, 50000)])
    text = place.read("out")
    check("a limit of the file's size", result.code == 4 and "File too large" in result.text, result.code, result.text)
    check("whole lines", are_whole(text) and text.count(b"\n") > 0, text[-100:])
    check("and clean", result.is_clean(), result.text)
    small_disk(place, lines)


def small_disk(place, lines):
    disk = place.path("disk")
    os.makedirs(disk, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        check.skip("a disk that fills", "no right to mount a tmpfs")
        return
    try:
        result = place.sweep("-o", "disk/out", text=lines)
        text = place.read("disk/out")
        check("a disk that fills", result.code == 4 and FULL in result.text and "disk/out" in result.text, result.code, result.text)
        check("ends with a whole line", are_whole(text) and text.count(b"\n") > 0, text[-100:])
    finally:
        subprocess.run(["umount", disk], check=True)


# --- pipes ---

def reader_leaves(place):
    process = place.start("-f", place.write("many", place.good_lines(2000)))
    line = process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    result = driving.finish(process)
    check("its first line was whole", json.loads(line)["type"] == "verdict")
    check.same("a reader that leaves: exit code", result.code, 4, result.text)
    check("and a word about it", "Broken pipe" in result.text, result.text)
    check("no crash", result.is_clean(), result.text)
    remove(place, "out")
    reader, writer = os.pipe()
    process = place.start("-f", "many", "-o", "out", stderr=writer)
    os.close(writer)
    os.close(reader)
    result = driving.finish(process)
    check.same("nobody reads standard error: all records are there", place.read("out").count(b"\n"), 2000)
    check.same("and the exit code stays", result.code, 0)


def slow_reader(place):
    """More than the blocks and the pipe hold, so that the workers have to wait."""
    process = place.start("-f", place.write("many", place.good_lines(3000)), "--cacert", "roots.pem")
    time.sleep(3)
    result = driving.finish(process)
    check.same("a slow reader gets all", sorted(r["line"] for r in result.records), list(range(1, 3001)))
    check("more than the buffers", len(result.out) > 6 << 20, len(result.out))
    check.same("exit code", result.code, 0, result.text)
    check("clean", result.is_clean(), result.text)


# --- signals ---

def interrupt(place, number):
    remove(place, "out", "metadata")
    name = signal.Signals(number).name
    place.write("mixed", place.good_lines(150) + place.silent_lines(60) + place.good_lines(150))
    process = place.start("-f", "mixed", "-o", "out", "--metadata-file", "metadata", "--policy", "policy.yaml")
    check(f"{name}: records come", driving.wait_until(lambda: os.path.exists(place.path("out")) and place.read("out").count(b"\n") >= 100))
    process.send_signal(number)
    result = driving.finish(process)
    check.same(f"{name}: exit code", result.code, 130, result.text)
    check("clean", result.is_clean(), result.text)
    text = place.read("out")
    check.same(f"{name}: valid records", driving.complaints("verdict", text)[:3], [])
    records = [json.loads(line) for line in text.splitlines()]
    statuses = collections.Counter(r["status"] for r in records)
    check(f"{name}: what was in flight is there as cancelled", statuses["cancelled"] >= 60, statuses)
    check.same(f"{name}: no line twice", len({r["line"] for r in records}), len(records))
    check.same(f"{name}: valid metadata", driving.complaints("metadata", place.read("metadata")), [])
    metadata = json.loads(place.read("metadata"))
    check.same(f"{name}: it says so", metadata["interrupted"], True)
    check.same(f"{name}: it counts the records", metadata["targets"], len(records))
    check.same(f"{name}: by status", {k: v for k, v in metadata["statuses"].items() if v}, dict(statuses))


def interrupt_endless_pipe(place):
    """A pipe that never ends must not keep the sweep from ending."""
    process = place.start(stdin=subprocess.PIPE)
    process.stdin.write(place.good_lines(3).encode())
    process.stdin.flush()
    check("a record while the pipe stays open", process.stdout.readline().startswith(b"{"))
    process.send_signal(signal.SIGINT)
    try:
        process.wait(driving.HANG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    check.same("SIGINT ends it although the pipe stays open", process.wait(), 130)
    for file in process.stdin, process.stdout, process.stderr:
        file.close()


def unread(pipe):
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def second_signal(place):
    """Nobody reads, so that the first signal cannot finish what is in flight."""
    process = place.start("-f", place.write("many", place.good_lines(3000)))
    driving.wait_until(lambda: unread(process.stdout) >= 60000)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    check.same("the first one waits for the reader", process.poll(), None)
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        code = "hangs"
    check("the second one ends it at once", code in (130, -signal.SIGINT), code)
    process.communicate()


def killed(place):
    """kill -9: what was written stays readable, but for the last line perhaps."""
    place.write("many", place.good_lines(1500))
    for wanted in (1, 200 << 10, 1 << 20, 2 << 20):
        remove(place, "out")
        process = place.start("-f", "many", "-o", "out", "--chains-out", "chains", "--overwrite")
        driving.wait_until(lambda: os.path.exists(place.path("out")) and os.path.getsize(place.path("out")) >= wanted)
        process.kill()
        process.communicate()
        lines = place.read("out").split(b"\n")
        check(f"killed after {wanted} bytes: something is there", len(lines) > 1)
        check(f"killed after {wanted} bytes: lines but the last are whole", are_whole(b"\n".join(lines[:-1]) + b"\n"))


def flushed(place):
    remove(place, "out")
    place.write("mixed", place.silent_lines(1) + place.good_lines(5))
    process = place.start("-f", "mixed", "-o", "out")
    seen = driving.wait_until(lambda: os.path.exists(place.path("out")) and place.read("out").count(b"\n") == 5, 30)
    check("records are out while a slow target hangs", seen and process.poll() is None, process.poll())
    process.terminate()
    driving.finish(process)


# --- a record for each line ---

def inventories(place):
    """Name, format option, text, and (records by line, rejected, skipped) that must come."""
    port = place.refused
    plain = (f"# hosts\n127.0.0.1:{port}\n\n127.0.0.2\n[::1]:{port}\nhttps://127.0.0.3:{port}/x?y\nnot a host!\n"
             f"127.0.9.0/28\n127.0.0.4:99999\n127.0.0.5\n10.0.0.0/99\n127.0.0.6:{port}")
    csv = (f"owner,host,port,tag\nme,127.0.0.1,{port},a\n,127.0.0.2,,\n# no comment: a bad host,,,\nme,127.0.0.3,x,\n"
           f"\"with \"\"quotes\"\", and comma\",127.0.0.4,{port},t\n")
    zgrab = f"127.0.0.1,a.fleet.test,tag,{port}\n127.0.0.2,b.fleet.test\n127.0.0.3,,,{port}\nnonsense,c.fleet.test,,70000\n"
    ndjson = (f'{{"host":"127.0.0.1","port":{port}}}\n{{"host":"127.0.0.2","tag":"caf\\u00e9"}}\n{{"host":\n'
              f'{{"port":{port}}}\n{{"host":"127.0.0.3","owner":"o\\u0000o"}}\n[]\n{{"host":"x.test","connect":"127.0.0.4"}}\n')
    return [
        ("plain", plain, {2: 1, 4: 1, 5: 1, 6: 1, 8: 16, 10: 1, 12: 1}, 3, 2),
        ("csv", csv, {2: 1, 3: 1, 6: 1}, None, None),
        ("zgrab2", zgrab, {1: 1, 2: 1, 3: 1}, 1, 0),
        ("ndjson", ndjson, None, None, 0),
    ]


def each_line(place):
    for name, text, expected, rejected, skipped in inventories(place):
        seen = {}
        for source in "file", "pipe":
            remove(place, "metadata")
            options = ["-p", place.refused, "--metadata-file", "metadata", "--format", name, "--retries", "0"]
            if source == "file":
                result = place.sweep(*options, "-f", place.write("lines", text))
            else:
                result = place.sweep(*options, text=text)
            what = f"{name} from a {source}"
            check.same(f"{what}: valid records", driving.complaints("verdict", result.out)[:3], [])
            check.same(f"{what}: valid metadata", driving.complaints("metadata", place.read("metadata")), [])
            metadata = json.loads(place.read("metadata"))
            lines = collections.Counter(r["line"] for r in result.records)
            seen[source] = (lines, metadata["accepted"], metadata["rejected"], metadata["skipped"], metadata["input_sha256"])
            check.same(f"{what}: as many targets as records", metadata["targets"], len(result.records))
            check.same(f"{what}: as many accepted lines as lines with records", metadata["accepted"], len(lines))
            check.same(f"{what}: all lines are counted", metadata["input_lines"], len(text.splitlines()))
            told = [line for line in result.text.splitlines() if line.startswith(("lines:", "standard input:", "<stdin>:", "-:"))]
            check.same(f"{what}: every bad line is told", len(told), metadata["rejected"], result.text)
            if expected is not None:
                check.same(f"{what}: records by line", dict(lines), expected)
            if rejected is not None:
                check.same(f"{what}: rejected, skipped", (metadata["rejected"], metadata["skipped"]), (rejected, skipped))
        check.same(f"{name}: a pipe gives the same as a file", seen["pipe"], seen["file"])


def strict(place):
    text = f"127.0.0.1:{place.refused}\nnot a host!\n"
    result = place.sweep("--strict", "-f", place.write("lines", text))
    check("--strict", result.code == 2 and "lines:2:" in result.text and not result.out, result.code, result.text)
    result = place.sweep("--strict", text=text)
    check("--strict on a pipe", result.code == 2 and ":2:" in result.text and are_whole(result.out), result.code, result.text)
    check("clean", result.is_clean(), result.text)


def dry_run(place):
    server = driving.Server(driving.read_to_end)
    remove(place, "out", "metadata")
    text = f"127.0.0.1:{server.port}\n" * 7 + "bad line\n"
    for source in (["-f", place.write("lines", text)], []):
        result = place.sweep("--dry-run", "-o", "out", "--metadata-file", "metadata", *source, text=text)
        check.same("--dry-run: exit code", result.code, 0, result.text)
        check("--dry-run counts", b"7 accepted" in result.out and b"1 rejected" in result.out, result.out)
    check.same("--dry-run connects to nothing", server.accepted, 0)
    check("--dry-run writes nothing", not os.path.exists(place.path("out")) and not os.path.exists(place.path("metadata")))
    server.close()


def order(place):
    text = "".join(f"127.0.4.{i}:{place.refused}\n" for i in range(1, 61)) + f"127.0.5.0/28\n"
    place.write("lines", text)

    def hosts(*options, **how):
        result = place.sweep("--workers", "1", "-c", "1", "--retries", "0", "-p", place.refused, *options, **how)
        return [(r["line"], r["host"]) for r in result.records]
    plain = hosts("-f", "lines")
    check.same("one connection at a time: in the order of the file", [line for line, _ in plain], [*range(1, 61), *[61] * 16])
    first = hosts("-f", "lines", "--shuffle", "--seed", "7")
    check("--shuffle: another order, the same targets", first != plain and sorted(first) == sorted(plain), first)
    check.same("--seed: the same order again", hosts("-f", "lines", "--shuffle", "--seed", "7"), first)
    check("another seed, another order", hosts("-f", "lines", "--shuffle", "--seed", "8") != first)
    piped = hosts("--shuffle", "--seed", "7", text=text)
    check("--shuffle on a pipe", piped != plain and sorted(piped) == sorted(plain), piped)
    check.same("--seed on a pipe", hosts("--shuffle", "--seed", "7", text=text), piped)
    parts = [hosts("-f", "lines", "--shards", "3", "--shard", i, *(["--shuffle"] if i == 1 else [])) for i in range(3)]
    check.same("3 shards are all of it, each target once", sorted(sum(parts, [])), sorted(plain))
    check("and share it", all(len(part) > 5 for part in parts), [len(part) for part in parts])
    piped_parts = [hosts("--shards", "3", "--shard", i, text=text) for i in range(3)]
    check.same("the same shards of a pipe", [sorted(part) for part in piped_parts], [sorted(part) for part in parts])


# --- exit codes ---

def exit_codes(place):
    policy = ["--policy", "policy.yaml", "--cacert", "roots.pem"]
    result = place.sweep(*policy, text=place.good_lines(400))
    by_verdict = collections.defaultdict(list)
    for record in result.records:
        by_verdict[record["verdict"]].append(place.rows[record["line"] - 1])
    check("the fleet has matches and a mismatch", by_verdict["match"] and by_verdict["mismatch"], dict(by_verdict))
    check.same("1: a mismatch", result.code, 1, result.text)
    match, mismatch = by_verdict["match"][0] + "\n", by_verdict["mismatch"][0] + "\n"
    unknown = "".join(f"127.0.0.1,{row.split(',')[1]},,{place.refused}\n" for row in by_verdict["match"][:2])

    def code(what, expected, text, *options):
        got = place.sweep(*policy, "--retries", "0", *options, text=text)
        check.same(what, got.code, expected, got.text)
    code("0: a match", 0, match)
    code("1: --fail-on match", 1, match, "--fail-on", "unpinned,match")
    code("0: --fail-on none", 0, mismatch, "--fail-on", "none")
    code("0: --fail-on something else", 0, mismatch, "--fail-on", "expired-pinset,expired")
    code("3: unknown", 3, unknown)
    code("1 goes before 3", 1, unknown + mismatch)
    code("3: more than --max-unknown", 3, unknown, "--max-unknown", "1")
    code("0: as many as --max-unknown", 0, unknown, "--max-unknown", "2")
    code("3: more than a percentage", 3, unknown + match * 3, "--max-unknown", "39%")
    code("0: up to a percentage", 0, unknown + match * 3, "--max-unknown", "40%")
    code("0: an empty inventory", 0, "")
    place.write("block", "127.0.0.1\n")
    code("0: blocked targets are not unknown", 0, unknown, "-b", "block")
    code("2: a file that is not there", 2, "", "-f", "missing")
    # The policy has a trust profile of its own: the system's anchors do not know this fleet.
    got = place.sweep("--fail-on", "untrusted,incomplete-chain", text=match)
    check.same("1: --fail-on a pkix result", got.code, 1, got.text)
    got = place.sweep("--cacert", "roots.pem", "--fail-on", "untrusted,incomplete-chain", text=match)
    check.same("0: without that result", got.code, 0, got.text)


# --- chains, detail, news ---

def chains(place):
    remove(place, "chains")
    result = place.sweep("-f", place.write("many", place.good_lines(1200)), "--workers", "2", "--chains-out", "chains",
                         "--chain-detail", "ids", "--chains-pem", "--cacert", "roots.pem")
    check.same("valid chains", driving.complaints("chain", place.read("chains"))[:3], [])
    written = [json.loads(line)["chain_id"] for line in place.read("chains").splitlines()]
    check.same("each chain once", len(set(written)), len(written))
    check.same("each chain of a record", set(written), {r["views"][0]["chain_id"] for r in result.records})
    keys = {tuple(sorted(c)) for r in result.records for c in r["views"][0]["chain"]}
    check.same("--chain-detail ids", keys, {("cert_sha256", "on_path", "spki_sha256", "strict")})
    check.same("valid records", driving.complaints("verdict", result.out)[:3], [])
    full = place.sweep(text=place.good_lines(1)).records[0]["views"][0]["chain"][0]
    check("full detail by default", {"subject", "issuer", "serial", "not_before", "not_after"} <= set(full), full)


def news(place):
    result = place.sweep("-q", "--cacert", "roots.pem", text=place.good_lines(20))
    check.same("--quiet: nothing on standard error", (result.code, result.text), (0, ""))
    check.same("--quiet: all records", len(result.records), 20)
    result = place.sweep("--cacert", "roots.pem", text=place.good_lines(20))
    check("a summary", "20 targets in" in result.text and "statuses: success 20" in result.text, result.text)
    check("no escapes where there is no terminal", "\x1b" not in result.text and "\r" not in result.text)
    result = driving.run("sweep", "--io-timeout", "13s", "--retries", "0", cwd=place.folder, text=place.silent_lines(1))
    check("plain progress lines", any("in flight" in line and "0/" in line for line in result.text.splitlines()), result.text)
    check("no escapes in them", "\x1b" not in result.text and "\r" not in result.text, result.text)


def terminal(place):
    master, slave = pty.openpty()
    process = driving.start("sweep", "--io-timeout", "3s", "--retries", "0", "-f", place.write("lines", place.silent_lines(1)),
                            cwd=place.folder, stderr=slave)
    os.close(slave)
    shown = b""
    end = time.monotonic() + driving.HANG_SECONDS
    while time.monotonic() < end and select.select([master], [], [], 1)[0] or process.poll() is None:
        try:
            part = os.read(master, 4096) if select.select([master], [], [], 1)[0] else b""
        except OSError:  # the other side is closed
            break
        shown += part
    os.close(master)
    driving.finish(process)
    lines = shown.split(b"\r\n")
    drawn = [line for line in lines if b"in flight  match" in line]
    check("on a terminal a progress line is drawn", drawn, shown)
    check("again and again in one line", drawn and drawn[0].count(b"\r\x1b[K") > 3, shown)
    # What a person sees of a line is behind its last erasure.
    left = [line.rsplit(b"\r\x1b[K", 1)[-1] for line in lines]
    check("and erased", not any(b"in flight  match" in line for line in left), shown)


def main():
    with driving.folder() as folder, driving.Fleet(
            folder, "--port", "0", "--behaviour", "0=silent", "--identities", "500", "--write-trust", "roots.pem",
            "--write-policy", "policy.yaml", "--write-inventory", "inventory") as fleet:
        place = Place(folder, fleet)
        for part in (existing_files, full_disk, reader_leaves, slow_reader, interrupt_endless_pipe, second_signal, killed,
                     flushed, each_line, strict, dry_run, order, exit_codes, chains, news, terminal):
            check.part(part, place)
        for number in signal.SIGINT, signal.SIGTERM:
            check.part(interrupt, place, number)
    check.finish()


main()
