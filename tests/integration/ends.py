#!/usr/bin/env python3
"""How a sweep ends: signals at awkward moments, outputs that fail, exit codes where several apply,
files that must not be lost, records that are too large."""
import fcntl
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from driving import (PINSWEEP, Checks, Fleet, complaints, finish, folder, run, start,  # noqa: E402
                     wait_until)

check = Checks("ends")
COUNT = 2000


def fleet_options(inventory, trust, policy):
    return ["--port", "0", "--identities", COUNT, "--count", COUNT, "--write-trust", trust, "--write-inventory",
            inventory, "--write-policy", policy]


class World:
    def __init__(self, path):
        self.path = path
        self.inventory, self.trust, self.policy = (self.at(name) for name in ("i.csv", "t.pem", "p.yaml"))
        self.common = ["-f", self.inventory, "--cacert", self.trust, "--server-rate-limit", 0]

    def at(self, name):
        return os.path.join(self.path, name)

    def metadata(self, name="m.json"):
        with open(self.at(name), encoding="utf-8") as file:
            return json.load(file)


def sums(metadata):
    return {sum(metadata["statuses"].values()), sum(metadata["verdicts"].values()), metadata["targets"]}


def signal_in_last_drain(world):
    """Everything is swept, the reader has yet to read: one SIGINT loses nothing."""
    process = start("sweep", *world.common, "--metadata-file", world.at("drain.json"))
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    check("waits for the reader", process.poll() is None)
    result = finish(process)
    check.same("exit code", result.code, 130, result.text[-500:])
    check.same("whole records", complaints("verdict", result.out)[:3], [])
    metadata = world.metadata("drain.json")
    check.same("a record for each target", len(result.records), metadata["targets"])
    check.same("sums", len(sums(metadata)), 1)


def second_signal(world):
    """The reader never reads: the second SIGINT ends at once."""
    process = start("sweep", *world.common)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    check("ends without a reader", wait_until(lambda: process.poll() is not None, 20))
    check.same("exit code", finish(process).code, 130)


def ignored_signals(world):
    """nohup, and jobs that a script starts in the background: what was ignored stays ignored."""
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = subprocess.Popen([PINSWEEP, "sweep", *map(str, world.common), "-o", world.at("nohup.ndjson"), "--rate",
                                "1000"], preexec_fn=ignore, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(1)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    result = finish(process)
    check.same("not interrupted", result.code, 0, result.text[-500:])
    with open(world.at("nohup.ndjson"), "rb") as file:
        check.same("all records", len(file.readlines()), COUNT)


def full_and_interrupted(world):
    """A failed output gives 4 and metadata that sum up; a signal on top of it 130."""
    limit = (resource.RLIMIT_FSIZE, 300_000)
    result = run("sweep", *world.common, "-o", world.at("full.ndjson"), "--metadata-file", world.at("full.json"),
                 limits=[limit])
    check.same("exit code of a full disk", result.code, 4, result.text[-500:])
    with open(world.at("full.ndjson"), "rb") as file:
        check.same("whole lines", complaints("verdict", file.read())[:3], [])
    check.same("sums", len(sums(world.metadata("full.json"))), 1)
    bad = world.at("bad.txt")
    with open(world.inventory, encoding="ascii") as good, open(bad, "w", encoding="ascii") as file:
        file.write(good.read() + "no port,at,all,x\n")
    reader = ["sweep", "--strict", "--cacert", world.trust, "--server-rate-limit", 0, "-o", "/dev/full"]
    with open(bad, "rb") as file:
        text = file.read()
    result = run(*reader, text=text)
    check.same("4 comes before 2", result.code, 4, result.text[-500:])


def metadata_of_failures(world):
    """Metadata on every end that came to sweeping."""
    result = run("sweep", "--strict", "--cacert", world.trust, "--metadata-file", world.at("strict.json"),
                 text="bad host name\n")
    check.same("exit code of a bad line", result.code, 2, result.text[-500:])
    metadata = world.metadata("strict.json")
    check.same("lines add up", metadata["input_lines"],
               metadata["accepted"] + metadata["rejected"] + metadata["skipped"], metadata)
    check.same("sums", sums(metadata), {0})


def files_kept(world):
    """Neither the metadata of another run nor the inventory are overwritten."""
    one = ["sweep", "--cacert", world.trust, "--metadata-file", world.at("kept.json")]
    with open(world.at("kept.json"), "w", encoding="ascii") as file:
        file.write("precious")
    result = run(*one, text="# nothing\n")
    check.same("metadata file exists", result.code, 2, result.text)
    with open(world.at("kept.json"), encoding="ascii") as file:
        check.same("it is kept", file.read(), "precious")
    result = run(*one, "--overwrite", text="# nothing\n")
    check.same("--overwrite replaces it", result.code, 0, result.text)
    check.same("type", world.metadata("kept.json")["type"], "metadata")
    copy = world.at("copy.txt")
    with open(copy, "w", encoding="ascii") as file:
        file.write("127.0.0.1:1\n")
    other_name = os.path.join(world.path, ".", "copy.txt")
    for option in "-o", "--chains-out", "--metadata-file":
        arguments = [option, other_name] if option == "-o" else ["-o", world.at("any"), option, other_name]
        result = run("sweep", "-f", copy, "--cacert", world.trust, *arguments, "--overwrite")
        check.same(f"{option} is the inventory", result.code, 2, result.text)
    with open(copy, encoding="ascii") as file:
        check.same("the inventory is kept", file.read(), "127.0.0.1:1\n")
    for option in "--chains-out", "--metadata-file":
        result = run("sweep", "--cacert", world.trust, "-o", world.at("twice"), option,
                     os.path.join(world.path, ".", "twice"), text="# nothing\n")
        check.same(f"{option} is -o by another name", result.code, 2, result.text)


def large_records(world):
    """Pin sets that no record can hold: the record says how many are left out, and the sweep goes on."""
    with open(world.inventory, encoding="ascii") as file:
        first, second = file.readline().strip(), file.readline().strip()
    host = first.split(",")[1]
    with open(world.at("large.yaml"), "w", encoding="ascii") as file:
        file.write("version: 1\npin_sets:\n")
        for i in range(1000):
            role = "bad" if i == 777 else "active"
            file.write(f"  - name: set-{i}-{'x' * 700}\n    hosts: [{host}]\n    client: android\n    trust: [system]\n"
                       f"    owner: {'o' * 300}\n    expires: 2020-01-0{1 + i % 9}\n"
                       f"    on_expiry: {'fail-closed' if role == 'bad' else 'fail-open'}\n"
                       f"    pins: [{{pin: \"sha256/{'A' * 42}E=\", role: active}}]\n")
    result = run("sweep", "--cacert", world.trust, "--policy", world.at("large.yaml"), "--key-types", "any,rsa,ecdsa",
                 text=f"{first}\n{second}\n")
    check.same("exit code", result.code, 1, result.text[-500:])
    check.same("records", len(result.records), 2)
    record = next(record for record in result.records if record["host"] == host)
    check("at most 1 MB", max(map(len, result.out.splitlines())) <= 1024 * 1024)
    check.same("detail", record["detail"], "verdicts")
    check.same("all sets are accounted for", len(record["pin_sets"]) + record["pin_sets_omitted"], 1000)
    check("some are there", len(record["pin_sets"]) >= 100)
    check.same("the worst is kept", record["pin_sets"][0]["name"][:8], "set-777-")
    check.same("and counts", record["verdict"], "mismatch")
    check.same("valid", complaints("verdict", result.out)[:3], [])


def terminal(world, columns, *arguments):
    """What a terminal of so many columns gets, standard error and standard output (if it is one)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    to_terminal = "-o" not in arguments
    process = start("sweep", *world.common, "--rate", 300, *arguments, stderr=slave,
                    stdout=slave if to_terminal else subprocess.DEVNULL)
    os.close(slave)
    got = b""
    try:
        while part := os.read(master, 65536):
            got += part
    except OSError:  # the other end was closed
        pass
    os.close(master)
    check.same("exit code on a terminal", process.wait(60), 0, got[-500:])
    return got


def terminals(world):
    """A progress line fits into one line of the terminal; none is drawn between records."""
    got = terminal(world, 60, "-o", world.at("t.ndjson"))
    drawn = [text for text in got.split(b"\r\x1b[K") if b"in flight" in text and b"\n" not in text]
    check("progress was drawn", len(drawn) > 3, got[:500])
    check("it fits", all(len(text) < 60 for text in drawn), drawn[-1:])
    got = terminal(world, 60)
    check("no progress between records", b"\x1b" not in got and b"/s  " not in got, got[:500])
    check.same("each record on a line of its own", got.count(b'\n{"schema":1,'), COUNT)


def main():
    with folder() as path:
        world = World(path)
        with Fleet(path, *map(str, fleet_options(world.inventory, world.trust, world.policy))):
            for part in (signal_in_last_drain, second_signal, ignored_signals, full_and_interrupted,
                         metadata_of_failures, files_kept, large_records, terminals):
                check.part(part, world)
    check.finish()


main()
