"""Hostile peers: see hostile.sh."""
import collections
import os
import random
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import driving  # noqa: E402
from driving import hello_of, read_to_end, reset  # noqa: E402

check = driving.Checks("hostile")

# What fleetsim's behaviours end in. The list is held against fleetsim --help.
BEHAVIOURS = {
    "tls": "success",
    "reset-on-accept": "connection-reset",
    "close-on-accept": "connection-closed",
    "silent": "io-timeout",
    "slow-accept": "success",
    "plain-http": "not-tls",
    "garbage": "not-tls",
    "broken-record": "protocol-error",
    "alert-handshake-failure": "tls-alert",
    "alert-unrecognized-name": "tls-alert",
    "silent-after-hello": "io-timeout",
    "drip": "io-timeout",
    "pieces": "success",
    "reset-mid-flight": "connection-reset",
    "close-mid-flight": "connection-closed",
    "small-records": "success",
    "huge-chain": "chain-too-large",
    "many-certificates": "chain-too-large",
    "malformed-leaf": "malformed-certificate",
    "unparsable-leaf": "malformed-certificate",
    "malformed-intermediate": "success",
    "bad-signature": "handshake-error",
    "client-cert-required": "success",
    "client-cert-optional": "success",
    "old-server-hello": "unsupported",
    "old-version": "tls-alert",
    "no-close": "success",
}
IO_TIMEOUT_S = 8
BAD_TARGETS = 200
GOOD_TARGETS = 200


# --- what fleetsim lacks, by plain sockets ---

def flood(piece):
    """A record again and again, until the client hangs up."""
    def serve(connection):
        hello_of(connection)
        while True:
            connection.sendall(piece * 64)
    return serve


def after_hello(answer, end=None):
    def serve(connection):
        hello_of(connection)
        connection.sendall(answer)
        if end is not None:
            end(connection)
    return serve


def banner(text):
    def serve(connection):
        connection.sendall(text)
        read_to_end(connection)
    return serve


def drip_header(connection):
    for byte in b"\x16\x03\x03\x40\x00" + b"\x02" * 100:
        connection.sendall(bytes([byte]))
        time.sleep(1)


def reset_after_hello(connection):
    hello_of(connection)
    reset(connection)


def reset_unread(connection):
    connection.recv(1)
    reset(connection)


SOCKETS = {
    "ssh-banner": (banner(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), {"not-tls"}),
    "smtp-banner": (banner(b"220 mx.fleet.test ESMTP ready\r\n"), {"not-tls"}),
    "http-redirect": (after_hello(b"HTTP/1.1 301 Moved\r\nLocation: https://x/\r\n\r\n"), {"not-tls"}),
    "reset-after-hello": (reset_after_hello, {"connection-reset"}),
    "reset-unread": (reset_unread, {"connection-reset"}),
    "close-after-hello": (hello_of, {"connection-closed"}),
    "half-a-header": (after_hello(b"\x16\x03\x03"), {"connection-closed"}),
    "drip-header": (drip_header, {"io-timeout"}),
    "close-notify": (after_hello(b"\x15\x03\x03\x00\x02\x01\x00"), {"connection-closed", "tls-alert"}),
    "alert-internal-error": (after_hello(b"\x15\x03\x03\x00\x02\x02\x50"), {"tls-alert"}),
    "warning-flood": (flood(b"\x15\x03\x03\x00\x02\x01\x5a"), {"protocol-error"}),
    "empty-record-flood": (flood(b"\x16\x03\x03\x00\x00"), {"protocol-error"}),
    "ccs-flood": (flood(b"\x14\x03\x03\x00\x01\x01"), {"protocol-error"}),
    "record-too-long": (after_hello(b"\x16\x03\x03\xff\xff" + b"\x00" * 70000, read_to_end), {"protocol-error"}),
    "application-data-first": (after_hello(b"\x17\x03\x03\x00\x05hello", read_to_end), {"protocol-error"}),
}


def behaviours_of_fleetsim():
    text = driving.subprocess.run([driving.FLEETSIM, "--help"], capture_output=True, check=True, text=True).stdout
    return [line.split()[0] for line in text.split("Behaviours\n", 1)[1].splitlines() if line.strip()]


def every_bad_target(fleet_ports, socket_ports, others):
    """(tag, address, port) of BAD_TARGETS at least, each kind about as often."""
    kinds = [(name, port) for name, port in fleet_ports.items() if BEHAVIOURS[name] != "success"]
    targets, round_number = [], 0
    while len(targets) < BAD_TARGETS:
        round_number += 1
        targets += [(name, f"127.0.{round_number}.{i + 1}", port) for i, (name, port) in enumerate(kinds)]
    targets += [(name, "127.0.0.1", port) for name, port in [*socket_ports.items(), *others.items()]]
    targets += [(name, "127.0.200.1", port) for name, port in fleet_ports.items() if BEHAVIOURS[name] == "success"]
    return targets


def expected_statuses():
    expected = {name: {status} for name, status in BEHAVIOURS.items()}
    expected.update({name: statuses for name, (_, statuses) in SOCKETS.items()})
    expected.update({"refused": {"connection-refused"}, "blackhole": {"connection-timeout"},
                     "link-local": {"network-unreachable"}, "good": {"success"}})
    return expected


def check_record(record, expected):
    name, view = record["tag"], (record["views"] or [None])[0]
    check(f"{name}: its own status", record["status"] in expected[name], record["status"], expected[name],
          record["error"], view and view["error"])
    check.same(f"{name}: status of the view", view["status"], record["status"])
    check.same(f"{name}: complete", record["complete"], record["status"] == "success")
    if record["status"] not in ("success", "malformed-certificate"):
        check.same(f"{name}: nothing to judge", record["verdict"] in ("unknown", "unpinned"), True, record)
        check(f"{name}: an error that says why", bool(record["error"] or view["error"]), record)
    if record["status"] == "success":
        check.same(f"{name}: a chain with a proof", (bool(view["chain"]), view["proof"]), (True, "possession"))


def every_behaviour(work):
    names = behaviours_of_fleetsim()
    check.same("a status for every behaviour that fleetsim has", sorted(names), sorted(BEHAVIOURS))
    names = [name for name in names if name in BEHAVIOURS]
    options = [option for name in names for option in ("--behaviour", f"0={name}")]
    servers = {name: driving.Server(serve) for name, (serve, _) in SOCKETS.items()}
    blackhole = driving.Blackhole()
    try:
        with driving.Fleet(work, *options, "--port", "0", "--slow-ms", "700", "--drip-ms", "1000", "--identities", "400",
                           "--write-trust", "roots.pem", "--write-policy", "policy.yaml") as fleet:
            fleet_ports = dict(zip(names, fleet.ports))
            sweep_them(work, fleet_ports, fleet.ports[-1], {name: server.port for name, server in servers.items()},
                       blackhole.port)
    finally:
        blackhole.close()
        for server in servers.values():
            server.close()


def sweep_them(work, fleet_ports, good_port, socket_ports, blackhole_port):
    bad = every_bad_target(fleet_ports, socket_ports, {"refused": driving.free_port(), "blackhole": blackhole_port})
    rows = [f"{address},{port},,{tag}" for tag, address, port in bad] + ["fe80::1,443,,link-local"]
    rows += [f"h{i}.fleet.test,{good_port},127.0.{i // 250}.{i % 250 + 1},good" for i in range(1, GOOD_TARGETS + 1)]
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"seed {seed}")
    random.Random(seed).shuffle(rows)
    with open(os.path.join(work, "inventory.csv"), "w", encoding="ascii") as file:
        file.write("host,port,connect,tag\n" + "\n".join(rows) + "\n")
    result = driving.run("sweep", "-f", "inventory.csv", "--cacert", "roots.pem", "--policy", "policy.yaml", "--retries", "0",
                         "--connect-timeout", f"{IO_TIMEOUT_S}s", "--io-timeout", f"{IO_TIMEOUT_S}s",
                         "--target-timeout", "60s", "--server-rate-limit", "0", "--server-concurrency", "0",
                         "--max-unknown", "100%", "--fail-on", "none", "--metadata-file", "metadata.json", cwd=work)
    check.same("exit code", result.code, 0, result.text)
    check("no sanitizer spoke", result.is_clean(), result.text)
    records = result.records
    check.same("one record a line of the inventory", sorted(r["line"] for r in records), list(range(2, len(rows) + 2)))
    check.same("valid records", driving.complaints("verdict", result.out)[:5], [])
    with open(os.path.join(work, "metadata.json"), "rb") as file:
        check.same("valid metadata", driving.complaints("metadata", file.read()), [])
    expected = expected_statuses()
    tally = collections.Counter()
    for record in records:
        tally[record["tag"]] += 1
        if record["tag"] != "good":
            check_record(record, expected)
    check.same("every kind was there", sorted(tally), sorted(expected))
    good = [r for r in records if r["tag"] == "good"]
    spoiled = [r for r in good if r["status"] != "success" or r["verdict"] not in ("match", "match-backup", "mismatch", "unpinned")]
    check.same("good targets are not touched by the bad ones", spoiled, [])
    # Of the policy that fleetsim writes 1 in 50 is a mismatch, 1 in 50 unpinned.
    check("and match", sum(r["verdict"].startswith("match") for r in good) >= 0.9 * len(good),
          collections.Counter(r["verdict"] for r in good))
    check_details({r["tag"]: r for r in records})


def check_details(by_tag):
    """What a status alone does not say."""
    def view(name):
        return by_tag[name]["views"][0]
    check("the alert is named", "handshake_failure" in view("alert-handshake-failure")["error"].lower().replace(" ", "_") or
          "40" in view("alert-handshake-failure")["error"], view("alert-handshake-failure")["error"])
    check.same("a required client certificate still yields a proof", view("client-cert-required")["client_cert_requested"], True)
    check.same("asked for, not needed", view("client-cert-optional")["client_cert_requested"], True)
    check.same("not asked for", view("tls")["client_cert_requested"], False)
    pkix = [p["result"] for p in view("malformed-intermediate")["pkix"]]
    check("a broken intermediate is a matter of the path", pkix and "ok" not in pkix, pkix)
    check("plain HTTP is called so", "http" in view("plain-http")["error"].lower(), view("plain-http")["error"])
    check("SSH is called so", "ssh" in view("ssh-banner")["error"].lower(), view("ssh-banner")["error"])


def target_deadline(work):
    """One deadline that nothing extends: not retries, not bytes that keep coming."""
    drip = driving.Server(drip_header)
    silent = driving.Server(read_to_end)
    refused = driving.free_port()
    result = driving.run("sweep", "--target-timeout", "2s", "--io-timeout", "60s", "--retries", "50", cwd=work,
                         text=f"127.0.0.1:{drip.port}\n127.0.0.1:{silent.port}\n127.0.0.1:{refused}\n")
    statuses = {r["port"]: r["status"] for r in result.records}
    check.same("a drip ends at the target's deadline", statuses[drip.port], "target-timeout")
    check.same("silence ends at the target's deadline", statuses[silent.port], "target-timeout")
    check.same("of many refusals the status stays", statuses[refused], "connection-refused")
    check("not before the deadline", result.seconds >= 2, result.seconds)
    check.same("without pins nothing is unknown: exit code", result.code, 0, result.text)
    for server in drip, silent:
        server.close()


def descriptors(work):
    """More targets than descriptors: 256 of them, 2,000 targets."""
    with driving.Fleet(work, "--port", "0", "--identities", "2000", "--write-inventory", "inventory", "--write-trust", "roots.pem"):
        result = driving.run("sweep", "-f", "inventory", "--cacert", "roots.pem", "-c", "4000", "--io-timeout", "60s",
                             "--connect-timeout", "60s", "--target-timeout", "100s", "--chain-detail", "ids", cwd=work,
                             limits=[(resource.RLIMIT_NOFILE, 256)])
    statuses = collections.Counter(r["status"] for r in result.records)
    check.same("256 descriptors, 2,000 targets", statuses, {"success": 2000}, result.text)
    check.same("exit code", result.code, 0, result.text)
    check("clean", result.is_clean(), result.text)
    check("told what bounds it", "ulimit -Hn" in result.text, result.text)


def retries(work):
    def attempts(server, count, expected, status, **options):
        before = server.accepted
        result = driving.run("sweep", "--retries", count, "--io-timeout", options.get("io", "60s"), cwd=work,
                             text=f"127.0.0.1:{server.port}\n")
        view = result.records[0]["views"][0]
        check.same(f"--retries {count}: status", view["status"], status)
        check.same(f"--retries {count}: attempts in the record", view["attempts"], expected)
        check.same(f"--retries {count}: attempts that the server saw", server.accepted - before, expected)
    closing = driving.Server(hello_of)
    silent = driving.Server(read_to_end)
    alert = driving.Server(after_hello(b"\x15\x03\x03\x00\x02\x02\x28"))
    attempts(closing, 0, 1, "connection-closed")
    attempts(closing, 3, 4, "connection-closed")
    attempts(silent, 1, 2, "io-timeout", io="300ms")
    attempts(alert, 3, 1, "tls-alert")
    for server in closing, silent, alert:
        server.close()


def limits(work):
    """Politeness, as the server sees it."""
    def hold(connection):
        hello_of(connection)
        time.sleep(1)

    def sweep(count, *options):
        server = driving.Server(hold)
        result = driving.run("sweep", "--retries", "0", "--workers", "2", "--io-timeout", "60s", "--max-unknown", "100%", *options,
                             cwd=work, text=f"127.0.0.1:{server.port}\n" * count)
        server.close()
        check.same(f"{options}: all came", server.accepted, count)
        check.same(f"{options}: all are told", len(result.records), count)
        return server.most_open, result.seconds

    most, seconds = sweep(12, "--server-concurrency", "3", "--server-rate-limit", "0")
    check("--server-concurrency 3: never more", 1 <= most <= 3, most)
    check("and so it takes four rounds", seconds >= 4, seconds)
    most, _ = sweep(30, "--server-concurrency", "0", "--server-rate-limit", "0")
    check("without it: more", most > 3, most)
    # n connections at r a second take (n - 1) / r; an idle limiter has 10 ms of credit.
    _, seconds = sweep(31, "--server-concurrency", "0", "--server-rate-limit", "10")
    check("--server-rate-limit 10", seconds >= 2.9, seconds)
    _, seconds = sweep(31, "--server-concurrency", "0", "--server-rate-limit", "0", "--rate", "10")
    check("--rate 10", seconds >= 2.9, seconds)


with driving.folder() as place:
    check.part(every_behaviour, place)
    check.part(target_deadline, place)
    check.part(descriptors, place)
    check.part(retries, place)
    check.part(limits, place)
check.finish()
