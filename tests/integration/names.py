"""Run by names.sh: names by dnsmasq, failures by a name server of our own, TLS by fleetsim."""
import socket
import struct
import subprocess
import threading
import time

from peers import Suite, only

A, CNAME, AAAA = 1, 5, 28
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
MANY = 2000
FOREIGN_PIN = "sha256/C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="  # of no key here


class HostileServer(threading.Thread):
    """A name server on UDP whose answer is in the first label. Counts what it was asked."""

    def __init__(self, address, port, host):
        super().__init__(daemon=True)
        self.host = host  # the address for names that are well
        self.asked = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))

    def run(self):
        while True:
            packet, peer = self.socket.recvfrom(4096)
            for answer in self.answer(packet):
                self.socket.sendto(answer, peer)

    @staticmethod
    def question(packet):
        labels, at = [], 12
        while packet[at] != 0:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii"))
            at += 1 + packet[at]
        return labels, packet[12:at + 5], struct.unpack(">H", packet[at + 1:at + 3])[0]

    @staticmethod
    def record(name, kind, data):
        return name + struct.pack(">HHIH", kind, 1, 60, len(data)) + data

    def reply(self, packet, question, code, records=(), flags=0x8180):
        return (packet[:2] + struct.pack(">HHHHH", flags | code, 1, len(records), 0, 0) + question
                + b"".join(records))

    def answer(self, packet):
        labels, question, kind = self.question(packet)
        word, name = labels[0], b"\xc0\x0c"
        self.asked[".".join(labels)] = self.asked.get(".".join(labels), 0) + 1
        if word == "servfail":
            return [self.reply(packet, question, SERVFAIL)]
        if word == "refused":
            return [self.reply(packet, question, REFUSED)]
        if word == "nxdomain":
            return [self.reply(packet, question, NXDOMAIN)]
        if word == "empty":
            return [self.reply(packet, question, 0)]
        if word == "loop":
            other = b"\x05other\xc0" + bytes([12 + 1 + len(word)])
            return [self.reply(packet, question, 0, [self.record(name, CNAME, other),
                                                     self.record(other, CNAME, name)])]
        if word == "garbage":
            return [packet[:2] + b"\x81\x80" + b"\xff" * 20]
        if word == "stranger":  # answers under another id, then nothing
            good = self.record(name, A, socket.inet_aton(self.host))
            return [bytes([packet[0] ^ 255]) + self.reply(packet, question, 0, [good])[1:]]
        if word == "half":  # A is well, AAAA fails
            if kind == AAAA:
                return [self.reply(packet, question, SERVFAIL)]
            return [self.reply(packet, question, 0,
                               [self.record(name, A, socket.inet_aton(self.host))])]
        if word == "lossy" and self.asked[".".join(labels)] <= 2:  # the first of each family
            return []
        if word in ("lossy", "good"):
            if kind == A:
                return [self.reply(packet, question, 0,
                                   [self.record(name, A, socket.inet_aton(self.host))])]
            return [self.reply(packet, question, 0)]
        return []  # silent


class Names:
    def __init__(self, suite):
        self.suite = suite
        self.trust = str(suite.work / "roots.pem")
        (self.port,) = suite.start_fleet("--port", "0", "--ipv6", "--identities", str(MANY),
                                         "--write-trust", self.trust)
        self.server = suite.address()
        self.server_port = suite.free_port(self.server)

    def start_dnsmasq(self):
        hosts = "".join(f"127.0.{n // 250 + 1}.{n % 250 + 1} h{n}.fleet.test\n"
                        for n in range(1, MANY + 1))
        (self.suite.work / "hosts").write_text(hosts, encoding="ascii")
        options = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                   "--bind-interfaces", f"--listen-address={self.server}",
                   f"--port={self.server_port}", "--user=root", "--pid-file=", "--cache-size=0",
                   f"--addn-hosts={self.suite.work}/hosts", "--local=/test/",
                   "--host-record=six.test,::1",
                   "--host-record=both.test,127.0.0.9,::1",
                   "--host-record=xn--bcher-kva.test,127.0.0.11",
                   "--cname=alias.test,alias2.test", "--cname=alias2.test,h7.fleet.test",
                   "--host-record=pair.test,127.0.0.21", "--host-record=pair.test,127.0.0.22",
                   "--txt-record=text.test,only"]
        return self.suite.start(["dnsmasq", *options], [self.server_port,
                                                        (self.server_port, "udp")])

    def sweep(self, hosts, *arguments, servers=None, **more):
        lines = [h if isinstance(h, dict) else {"host": h, "port": self.port} for h in hosts]
        servers = servers or f"{self.server}:{self.server_port}"
        return self.suite.sweep(lines, "--dns-servers", servers, *arguments, trust=self.trust,
                                **more)


def good_names(suite, names):
    hosts = ["h5.fleet.test", "six.test", "both.test", "alias.test", "bücher.test", "BÜCHER.test",
             "xn--bcher-kva.test", "H6.Fleet.Test."]
    due = {"h5.fleet.test": "127.0.1.6", "six.test": "::1", "both.test": "127.0.0.9",
           "alias.test": "127.0.1.8", "H6.Fleet.Test.": "127.0.1.7"}
    policy = suite.policy(("idn", ["bücher.test"], [FOREIGN_PIN], {}))
    for host, record in zip(hosts, names.sweep(hosts, policy=policy, code=1)):
        suite.fields(host, record, status="success", complete=True, views_failed=0, error="")
        suite.fields(host + ", view", only(record), address=due.get(host, "127.0.0.11"), attempts=1)
        suite.check(host + ", time for its name", only(record)["timing_ms"]["dns"] > 0,
                    only(record)["timing_ms"])
        if "cher" in host.lower():
            suite.fields(host + " as A-labels", record, host="xn--bcher-kva.test",
                         sni="xn--bcher-kva.test", pin_host="xn--bcher-kva.test",
                         verdict="mismatch")
    (record,) = names.sweep(["alias.test"])
    suite.fields("an alias is asked by its own name", record, sni="alias.test", host="alias.test")
    (record,) = names.sweep(["both.test"], "-6")
    suite.fields("-6", only(record), address="::1", status="success")
    (record,) = names.sweep(["both.test"], "-4")
    suite.fields("-4", only(record), address="127.0.0.9", status="success")
    (record,) = names.sweep(["h5.fleet.test"], "-6", code=None)
    suite.fields("-6 of a name with A alone", record, status="dns-no-address", views=[],
                 views_failed=0, complete=False)
    (record,) = names.sweep(["both.test"], "--all-addresses")
    suite.equal("--all-addresses", [(v["address"], v["status"]) for v in record["views"]],
                [("127.0.0.9", "success"), ("::1", "success")])
    (record,) = names.sweep(["nothing.test"], code=None)
    suite.fields("NXDOMAIN", record, status="dns-nxdomain", verdict="unpinned", complete=False)
    (record,) = names.sweep(["text.test"], code=None)
    suite.fields("a name with TXT alone", record, status="dns-no-address")
    server6 = f"{names.server}:{names.server_port}"
    (record,) = names.sweep(["h5.fleet.test"], servers=f"{suite.address()}:1,{server6}")
    suite.fields("the first server is dead", record, status="success")


def fall_back(suite, names):
    """Two addresses, one listens. By s_server: fleetsim answers at every address."""
    root = suite.mint("Root", ca=True)
    leaf = suite.mint("pair", root, names=["pair.test"])
    trust = suite.bundle("pair-root.pem", root)
    port = suite.free_port("127.0.0.22")
    suite.start(["openssl", "s_server", "-accept", f"127.0.0.22:{port}", "-cert", leaf.file, "-key",
                 leaf.key, "-www"], [port])
    policy = suite.policy(("pair", ["pair.test"], [root.pin], {}))
    servers = f"{names.server}:{names.server_port}"

    def pair(*arguments, **more):
        (record,) = suite.sweep([{"host": "pair.test", "port": port}], "--dns-servers", servers,
                                *arguments, policy=policy, trust=trust, **more)
        return record

    seen = set()
    for _ in range(6):  # dnsmasq turns the order of the addresses round
        record = pair()
        suite.fields("falls back", record, status="success", verdict="match", complete=True)
        suite.fields("falls back, view", only(record), address="127.0.0.22", attempts={1, 2})
        seen.add(only(record)["attempts"])
    suite.check("the dead address came first at least once", 2 in seen, seen)
    record = pair("--all-addresses")
    suite.equal("one view each", {v["address"]: v["status"] for v in record["views"]},
                {"127.0.0.21": "connection-refused", "127.0.0.22": "success"})
    suite.fields("the dead one is not hidden", record, status="success", complete=False,
                 views_failed=1, verdict="match")
    blocked = suite.work / "blocked"
    blocked.write_text("127.0.0.21/32\n", encoding="ascii")
    record = pair("--blocklist-file", str(blocked))
    suite.fields("the dead one blocked", only(record), address="127.0.0.22", attempts=1,
                 status="success")
    record = pair("--blocklist-file", str(blocked), "--all-addresses")
    suite.equal("a blocked view", {v["address"]: v["status"] for v in record["views"]},
                {"127.0.0.21": "blocklisted", "127.0.0.22": "success"})
    suite.fields("a blocked address is no failure", record, status="success", views_failed=0,
                 verdict="match")
    blocked.write_text("127.0.0.16/28\n", encoding="ascii")
    record = pair("--blocklist-file", str(blocked))
    suite.fields("all blocked after resolution", record, status="blocklisted", verdict="unknown")
    suite.equal("nothing was dialled", suite.metadata["handshakes"]["attempted"], 0)
    blocked.write_text("*.test\n", encoding="ascii")
    record = pair("--blocklist-file", str(blocked))
    suite.fields("a blocked name", record, status="blocklisted")


def hostile_names(suite, names):
    address = suite.address()
    server = HostileServer(address, 0, "127.0.0.30")
    port = server.socket.getsockname()[1]
    server.start()
    due = {"servfail": {"dns-servfail"}, "refused": {"dns-error"}, "nxdomain": {"dns-nxdomain"},
           "empty": {"dns-no-address"}, "loop": {"dns-no-address"}, "good": {"success"},
           "half": {"success"}, "lossy": {"success"}}
    hosts = [word + ".hostile.test" for word in due]
    records = names.sweep(hosts, servers=f"{address}:{port}", code=None)
    for word, record in zip(due, records):
        suite.fields(word, record, status=due[word],
                     verdict="unpinned", complete=due[word] == {"success"})
        if word in ("half", "good", "lossy"):
            suite.fields(word + ", view", only(record), address="127.0.0.30")
    suite.check("lossy was asked again", server.asked["lossy.hostile.test"] >= 3, server.asked)
    quiet = ["silent.hostile.test", "garbage.hostile.test", "stranger.hostile.test"]
    records = names.sweep([*quiet, "good.hostile.test"], "--target-timeout", "2s",
                          servers=f"{address}:{port}", code=None)
    for record in records[:3]:
        suite.fields(record["host"], record, complete=False,
                     status={"dns-timeout", "target-timeout"} if "garbage" not in record["host"]
                     else {"dns-timeout", "target-timeout", "dns-error"})
    suite.fields("a good name beside them", records[3], status="success")
    suite.check("within the deadline of 2 s", suite.took < 2 + 8, suite.took)
    policy = suite.policy(("all", ["*.hostile.test"], [FOREIGN_PIN], {}))
    (record,) = names.sweep(quiet[:1], servers=f"{address}:{port}", policy=policy, code=3)
    suite.fields("silent without a shorter deadline", record, status="dns-timeout",
                 verdict="unknown")
    suite.check("within the resolver's own bound", suite.took < 6 + 8, suite.took)


def many_names(suite, names):
    hosts = [f"h{n}.fleet.test" for n in range(1, MANY + 1)]
    begin = time.monotonic()
    records = names.sweep(hosts, "--chain-detail", "ids", "--shuffle", "--seed", "7")
    bad = [(r["host"], r["status"], r["error"]) for r in records if r["status"] != "success"]
    suite.check(f"{MANY} names", not bad, bad[:5])
    due = [f"127.0.{n // 250 + 1}.{n % 250 + 1}" for n in range(1, MANY + 1)]
    suite.equal("each at its own address", [only(r)["address"] for r in records], due)
    suite.check("each host is there once", sorted(r["host"] for r in records) == sorted(hosts))
    suite.check("each has its own certificate",
                len({only(r)["chain"][0]["cert_sha256"] for r in records}) == MANY)
    suite.check("names match", all(only(r)["host_match"] for r in records))
    print(f"{MANY} names in {time.monotonic() - begin:.1f} s under sanitizers")
    suite.sweeps.pop()  # openssl has enough to do elsewhere


def wrong_servers(suite):
    for servers in "nonsense", "127.0.0.1:99999", "[::1", "127.0.0.1,,::1", "127.0.0.1:", "":
        result = subprocess.run([suite.pinsweep, "sweep", "-q", "--dns-servers", servers],
                                input=b"h5.fleet.test\n", capture_output=True, timeout=60)
        said = result.stderr.decode()
        suite.check(f"--dns-servers {servers!r} is refused",
                    result.returncode == 2 and "--dns-servers" in said and result.stdout == b""
                    and servers.split(",")[0 if "," not in servers else 1] in said,
                    (result.returncode, said))


def main():
    with Suite("names") as suite:
        names = Names(suite)
        if names.start_dnsmasq() is not None:
            good_names(suite, names)
            fall_back(suite, names)
            hostile_names(suite, names)
            wrong_servers(suite)
            many_names(suite, names)


main()
