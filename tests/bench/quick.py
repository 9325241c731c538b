#!/usr/bin/python3
"""quick.py PINSWEEP: runs `pinsweep bench` briefly, so that it cannot rot: every row is there, its
counts add up (validate.py), no attempt is lost, the comparison finds itself again. Never asserts a
time. So with bench/peers. Run by tests/run (bench)."""
import json
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VALIDATE = [ROOT / "tests/support/validate.py", "--count", "1", ROOT / "data/bench.schema.json"]

passed = failed = 0


def check(what, good, more=""):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print(f"FAILED  bench: {what}\n{more}")


def run(program, *arguments):
    return subprocess.run([program, "bench", *arguments], capture_output=True, text=True,
                          timeout=250, check=False)


def cells_of(file):
    return json.loads(file.read_text())["cells"]


def check_counts(cells, rounds):
    for cell in cells:
        name = cell["name"]
        # Each round sweeps the fleet of 1,000 by itself and before what is measured: once, or so
        # often that each of several threads has learned it.
        start_up = 1000 * (1 if cell["threads"] == 1 else 4 * cell["threads"])
        lines = rounds * (2 * start_up + cell["handshakes_each_round"])
        check(f"{name}: every line", cell["targets"] == lines, cell)
        check(f"{name}: nothing failed, nothing fell back",
              cell["failed"] == cell["fallbacks"] == 0 and cell["attempts"] == lines, cell)
        deepest = {"complete": (lines, lines, 0), "prove": (0, lines, 0), "capture": (0, 0, lines)}
        check(f"{name}: its depth", deepest[cell["depth"]] ==
              (cell["completed"], cell["proven"], cell["captured"]), cell)
        check(f"{name}: its version", cell["versions"] == {"TLSv" + cell["tls"]: lines}, cell)
        check(f"{name}: time passed", cell["cpu_us"]["median"] > 0 and cell["by_floor"]["median"] > 0)


def check_peers(build):
    """The one peer that is installed where tests are, beside our own depths."""
    got = subprocess.run([ROOT / "bench/peers/run", "--quick", "--rounds", "1", "--only",
                          "openssl-s_time,zgrab2", "--build", build], capture_output=True, text=True,
                         timeout=250, check=False)
    check("peers: it ran", got.returncode == 0, got.stdout + got.stderr)
    rows = [line for line in got.stdout.splitlines() if "; no DNS" in line]
    check("peers: a row each", {row[:18].strip() for row in rows} >= {
        "pinsweep complete", "pinsweep prove", "pinsweep capture", "openssl-s_time"},
          got.stdout + got.stderr)


def main(program):
    with tempfile.TemporaryDirectory(prefix="pinsweep-bench-test-") as folder:
        file = pathlib.Path(folder) / "quick.json"
        got = run(program, "--quick", "--quiet", "--rounds", "1", "--json", file)
        check("--quick", got.returncode == 0, got.stderr)
        valid = subprocess.run([*VALIDATE, file], capture_output=True, text=True, check=False)
        check("--quick: the schema", valid.returncode == 0, valid.stderr)
        cells = cells_of(file)
        check("--quick: twelve rows", len(cells) == 12, cells)
        check_counts(cells, 1)
        check("the table has every row", all(c["name"] in got.stdout for c in cells), got.stdout)

        # Two numbers in flight (memory), threads, a comparison with the above.
        second = pathlib.Path(folder) / "second.json"
        got = run(program, "--quiet", "--rounds", "2", "--count", "1500", "--depth", "capture",
                  "--tls", "1.3", "--key", "ecdsa", "--in-flight", "1256,256", "--json", second,
                  "--compare", file)
        check("narrowed", got.returncode == 0, got.stderr)
        valid = subprocess.run([*VALIDATE, second], capture_output=True, text=True, check=False)
        check("narrowed: the schema", valid.returncode == 0, valid.stderr)
        cells = cells_of(second)
        check_counts(cells, 2)
        check("narrowed: rows", {c["in_flight"] for c in cells} == {256, 1256} and
              {c["depth"] for c in cells} == {"capture"}, cells)
        check("memory is told", len(json.loads(second.read_text())["memory"]) == 1)
        name = "tls1.3 ecdsa-p256 capture 256 in flight 1 thread"
        row = [line for line in got.stdout.splitlines() if name in line and "? one round" in line]
        check("the comparison finds the row, and says that one round is no spread", len(row) == 2,
              got.stdout)
        check("what was not measured then is new", any(
            line.endswith("  new") and "1256" in line for line in got.stdout.splitlines()), got.stdout)
        check("the same machine: no warning", "warning:" not in got.stdout, got.stdout)

        other = json.loads(file.read_text())
        other["boringssl"], other["machine"]["cpu"] = "another", "another"
        file.write_text(json.dumps(other))
        got = run(program, "--quiet", "--rounds", "1", "--count", "500", "--depth", "capture",
                  "--tls", "1.2", "--key", "rsa", "--in-flight", "64", "--compare", file)
        check("another machine and library: two warnings", got.stdout.count("warning:") == 2,
              got.stdout + got.stderr)
        check_peers(pathlib.Path(program).resolve().parent)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
