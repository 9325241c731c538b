"""Run by scale.sh, on the release build: what is measured is memory."""
import json
import os
import pathlib
import resource
import subprocess

from peers import Suite, die_with_parent, find_program

FEW, MANY = 100_000, 1_000_000
GROWTH = 1.05
BLOCKS = 8 * 256  # KB of output that a slow disk may make a worker gather, at any length
FILES = 300  # of a process: a ring holds 268 connections then
IN_FLIGHT = 1000
SILENT = 1300  # a worker whose connections are all taken reads a slice ahead of the others


def inventory(suite, lines):
    file = suite.work / f"{lines}.txt"
    with open(file, "w", encoding="ascii") as out:
        for first in range(1, lines + 1, 1000):
            out.write("".join(f"h{i}.scale.test\n" for i in range(first, first + 1000)))
    return file


def run(suite, arguments, stdin=subprocess.DEVNULL):
    """Its peak resident set in KB and its output; it must end well."""
    process = subprocess.Popen([find_program("PINSWEEP_RELEASE", "pinsweep", ("build-release",)),
                                "sweep", *arguments], stdin=stdin, stdout=subprocess.PIPE,
                               preexec_fn=die_with_parent)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    suite.equal("exit code of " + " ".join(arguments)[:100], process.returncode, 0)
    return usage.ru_maxrss, out.decode("utf-8")


def piped(suite, file, arguments):
    with subprocess.Popen(["cat", str(file)], stdout=subprocess.PIPE) as cat:
        return run(suite, arguments, stdin=cat.stdout)


def grows_little(suite, what, few, many, slack=0):
    suite.check(f"{what}: memory of {MANY} lines against {FEW}", many <= few * GROWTH + slack,
                f"{few} and {many} KB")


def reading(suite, files):
    few, _ = run(suite, ["--dry-run", "-f", str(files[FEW])])
    many, text = run(suite, ["--dry-run", "-f", str(files[MANY])])
    suite.check("every line of a file is counted", f"{MANY:,} accepted" in text, text[:300])
    grows_little(suite, "a mapped file", few, many)
    few, _ = piped(suite, files[FEW], ["--dry-run"])
    many, text = piped(suite, files[MANY], ["--dry-run"])
    suite.check("every line of a pipe is counted", f"{MANY:,} accepted" in text, text[:300])
    grows_little(suite, "a pipe", few, many)


def writing(suite, files):
    """Records without connections: the names are on the block list."""
    blocked = suite.work / "block.txt"
    blocked.write_text("*.scale.test\n", encoding="ascii")
    out = suite.work / "out.ndjson"
    peaks = {}
    for lines, file in files.items():
        peaks[lines], _ = run(suite, ["-q", "-f", str(file), "-b", str(blocked), "-o", str(out),
                                      "--overwrite", "--workers", "1"])
        seen = bytearray(lines + 1)
        with open(out, "rb") as stream:
            for record in stream:
                at = record.index(b'"line":') + 7
                seen[int(record[at:record.index(b",", at)])] += 1
        suite.equal(f"each of {lines} lines is written once", (seen.count(1), seen[0]), (lines, 0))
        out.unlink()
    grows_little(suite, "a sweep", peaks[FEW], peaks[MANY], BLOCKS)


def rings(suite):
    """More connections than one ring's table of files may hold: more rings, and so workers."""
    (port,) = suite.start_fleet("--behaviour", "0=silent")
    file = suite.work / "silent.txt"
    file.write_text("".join(f"127.{suite.network.split('.')[1]}.{i // 250}.{i % 250 + 1}:{port}\n"
                            for i in range(SILENT)), encoding="ascii")
    metadata = suite.work / "rings.json"
    arguments = [find_program("PINSWEEP_RELEASE", "pinsweep", ("build-release",)), "sweep", "-q",
                 "-f", str(file), "-c", str(IN_FLIGHT), "-t", "3s", "--retries", "0",
                 "--server-rate-limit", "0", "--max-unknown", "100%", "-o", "/dev/null",
                 "--metadata-file", str(metadata)]
    limit = lambda: (die_with_parent(), resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES)))
    result = subprocess.run(arguments, preexec_fn=limit, capture_output=True, timeout=120)
    suite.equal("rings: exit code", result.returncode, 0)
    facts = json.loads(metadata.read_text(encoding="utf-8"))
    suite.equal("rings: all in flight at once", facts["in_flight_peak"], IN_FLIGHT)
    suite.check("rings: as many as that takes", facts["workers"] * (FILES - 32) >= IN_FLIGHT,
                facts["workers"])
    suite.equal("rings: nobody was left out", facts["statuses"]["target-timeout"]
                + facts["statuses"]["io-timeout"], SILENT)


def pinned_cores(suite):
    """Each worker on a core of its own, as far as there are."""
    (port,) = suite.start_fleet("--behaviour", "0=silent")
    process = subprocess.Popen(
        [find_program("PINSWEEP_RELEASE", "pinsweep", ("build-release",)), "sweep", "-q",
         "--pin-cores", "--workers", "4", "-c", "64", "-o", "/dev/null"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    process.stdin.write(f"127.0.0.1:{port}\n".encode() * 8)
    process.stdin.flush()
    allowed = sorted(os.sched_getaffinity(0))
    wanted = sorted([core] for core in (allowed * 4)[:4])
    tasks = pathlib.Path(f"/proc/{process.pid}/task")
    got = []
    for _ in range(500):
        got = sorted(sorted(os.sched_getaffinity(int(task))) for task in os.listdir(tasks))
        if all(got.count(cores) >= wanted.count(cores) for cores in wanted):
            break
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    suite.check("workers stand on their cores",
                all(got.count(cores) >= wanted.count(cores) for cores in wanted), (got, wanted))
    process.kill()
    process.communicate()


def main():
    with Suite("scale") as suite:
        files = {lines: inventory(suite, lines) for lines in (FEW, MANY)}
        reading(suite, files)
        writing(suite, files)
        rings(suite)
        pinned_cores(suite)


main()
