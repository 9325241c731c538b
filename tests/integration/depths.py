"""Run by depths.sh: every kind of server that Debian has at hand, each view at every depth."""
import contextlib
import socket
import struct
import subprocess
import threading

import oracle
from peers import ROOT, Suite, only

DEPTHS = "complete", "prove", "capture"
ECDSA_12 = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA"]
RSA_12 = [name.replace("ECDSA", "RSA") for name in ECDSA_12]
SUITES_13 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
SAME = ("address", "key_type", "status", "error", "tls_version", "cipher", "alpn", "leaf_key",
        "chain_id", "chain", "paths", "pkix", "host_match")
# What only comes behind the Certificate message of TLS 1.2, or is the proof itself.
LATER = "group", "client_cert_requested", "signature_scheme"


class Servers:
    def __init__(self, suite):
        self.suite = suite
        self.root = suite.mint("Root", ca=True)
        self.issuing = suite.mint("Issuing", self.root, ca=True)
        self.trust = suite.bundle("roots.pem", self.root)
        self.chain = suite.bundle("chain.pem", self.issuing)
        self.leaves = {}
        self.targets = {}

    def leaf(self, key):
        if key not in self.leaves:
            self.leaves[key] = self.suite.mint("leaf-" + key, self.issuing, key=key,
                                               names=["*.depths.test"])
        return self.leaves[key]

    def add(self, case, address, port):
        self.targets[case] = {"host": case + ".depths.test", "connect": address, "port": port}

    def s_server(self, case, *arguments, key="p256", chain=None):
        leaf = self.leaf(key)
        address = self.suite.address()
        port = self.suite.free_port(address)
        self.suite.start(["openssl", "s_server", "-accept", f"{address}:{port}", "-cert", leaf.file,
                          "-key", leaf.key, "-cert_chain", chain or self.chain, "-www", *arguments],
                         [port])
        self.add(case, address, port)

    def pem(self, case, key, with_key=False):
        """A file of the leaf with its chain, and for those who want it so with its key."""
        leaf = self.leaf(key)
        file = self.suite.work / f"{case}-{key}.pem"
        with open(leaf.key, encoding="ascii") as stream:
            file.write_text(leaf.pem + self.issuing.pem + (stream.read() if with_key else ""),
                            encoding="ascii")
        return str(file)

    def place(self, case):
        """An address and port of the case's own."""
        address = self.suite.address()
        port = self.suite.free_port(address)
        self.add(case, address, port)
        return address, port

    def gnutls(self, case, priority, key):
        port = self.suite.free_port("0.0.0.0")  # it cannot be told to listen on one address
        self.suite.start(["gnutls-serv", "--quiet", "--echo", "--port", str(port), "--priority",
                          priority, "--x509certfile", self.pem(case, key), "--x509keyfile",
                          self.leaf(key).key], [port])
        self.add(case, "127.0.0.1", port)

    def sweep(self, cases, *arguments, pins=None, code=0):
        policy = self.suite.policy(("all", ["*.depths.test"], pins or [self.root.pin], {}))
        records = self.suite.sweep([self.targets[c] for c in cases], *arguments, policy=policy,
                                   trust=self.trust, code=code)
        return dict(zip(cases, records))


def compare(suite, name, expected, got, depth):
    """One view at depth complete and at another."""
    is_12 = expected["tls_version"] == "TLSv1.2"
    for field in SAME:
        suite.equal(f"{name} at {depth}, {field}", got[field], expected[field])
    for field in LATER:
        if depth == "prove" or (not is_12 and field != "signature_scheme"):
            suite.equal(f"{name} at {depth}, {field}", got[field], expected[field])
    suite.fields(f"{name} at {depth}", got, depth=depth, attempts=1,
                 proof="none" if depth == "capture" else "possession")


def agree(suite, records, what):
    """Records of the three depths, by depth and case."""
    for case, whole in records["complete"].items():
        for depth in DEPTHS[1:]:
            record = records[depth][case]
            suite.fields(f"{what} {case} at {depth}", record, status=whole["status"],
                         verdict=whole["verdict"], complete=whole["complete"])
            suite.equal(f"{what} {case}, views", len(record["views"]), len(whole["views"]))
            for expected, got in zip(whole["views"], record["views"]):
                if expected["status"] == "success":
                    compare(suite, f"{what} {case}", expected, got, depth)
                else:
                    suite.equal(f"{what} {case} at {depth}, status", got["status"],
                                expected["status"])


def at_every_depth(suite, servers, cases, what, *arguments):
    records = {}
    for depth in DEPTHS:
        records[depth] = servers.sweep(cases, "--depth", depth, *arguments, code=None)
        counts = suite.metadata["handshakes"]
        views = [v for r in records[depth].values() for v in r["views"]]
        good = sum(v["status"] == "success" for v in views)
        suite.equal(f"{what} at {depth}, metadata", suite.metadata["depth"], depth)
        suite.equal(f"{what} at {depth}, nothing fell back", counts["fallback"], 0)
        suite.equal(f"{what} at {depth}, counts",
                    [counts["completed"], counts["proven"], counts["captured"]],
                    [good if depth == "complete" else 0, 0 if depth == "capture" else good,
                     good if depth == "capture" else 0])
        suite.equal(f"{what} at {depth}, warning", suite.metadata["depth_warning"] != "",
                    depth != "complete")
    agree(suite, records, what)
    for case, record in records["complete"].items():
        suite.fields(f"{what} {case}", record, status="success", verdict="match")


def openssl(suite, servers):
    for key in "p256", "p384", "p521", "ed25519", "rsa2048", "rsa3072", "rsa4096":
        servers.s_server(key + "-12", "-tls1_2", key=key)
        servers.s_server(key + "-13", "-tls1_3", key=key)
    for i, (ecdsa, rsa) in enumerate(zip(ECDSA_12, RSA_12)):
        servers.s_server(f"suite12-ecdsa-{i}", "-tls1_2", "-cipher", ecdsa + ":@SECLEVEL=0")
        servers.s_server(f"suite12-rsa-{i}", "-tls1_2", "-cipher", rsa + ":@SECLEVEL=0",
                         key="rsa2048")
    for i, name in enumerate(SUITES_13):
        servers.s_server(f"suite13-{i}", "-tls1_3", "-ciphersuites", name)
        servers.s_server(f"suite13-rsa-{i}", "-tls1_3", "-ciphersuites", name, key="rsa2048")
    for name in "P-256", "P-384", "P-521", "X25519":
        servers.s_server("group12-" + name.lower(), "-tls1_2", "-groups", name, key="rsa2048")
    servers.s_server("pss12", "-tls1_2", "-sigalgs", "rsa_pss_rsae_sha384", key="rsa2048")
    servers.s_server("alpn12", "-tls1_2", "-alpn", "http/1.1")
    servers.s_server("alpn13", "-tls1_3", "-alpn", "http/1.1")
    servers.s_server("asked12", "-tls1_2", "-verify", "1")
    servers.s_server("asked13", "-tls1_3", "-verify", "1")
    servers.s_server("small-records", "-split_send_frag", "512", "-max_send_frag", "512")
    roots = oracle.split_pem(oracle.SYSTEM_BUNDLE)[:29]
    long = suite.work / "long.pem"
    long.write_text(servers.issuing.pem + "".join(roots), encoding="ascii")
    for version in "12", "13":
        servers.s_server("long" + version, f"-tls1_{version[1]}", "-cipher", "DEFAULT:@SECLEVEL=0",
                         chain=str(long))
    at_every_depth(suite, servers, list(servers.targets), "s_server")


def key_types(suite, servers):
    cases = ["p256-12", "p256-13", "rsa2048-12", "rsa2048-13", "ed25519-13"]
    records = {}
    for depth in DEPTHS:
        records[depth] = servers.sweep(cases, "--depth", depth, "--key-types",
                                       "rsa,ecdsa,ed25519", code=None)
        suite.equal(f"key types at {depth}, nothing fell back",
                    suite.metadata["handshakes"]["fallback"], 0)
    agree(suite, records, "key types of")


def fallbacks(suite, servers):
    """What only a complete handshake can tell, and is told all the same."""
    servers.s_server("static-rsa", "-tls1_2", "-cipher", "AES128-GCM-SHA256", key="rsa2048")
    servers.s_server("retry", "-tls1_3", "-groups", "P-384")
    servers.s_server("old", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    cases = ["static-rsa", "retry", "old"]
    for depth, falls in ("prove", cases), ("capture", ["retry", "old"]):
        records = servers.sweep(cases, "--depth", depth, "--min-version", "1.0")
        suite.equal(f"fallbacks at {depth}", suite.metadata["handshakes"]["fallback"], len(falls))
        for case in cases:
            fell = case in falls
            suite.fields(f"{case} at {depth}", records[case], verdict="match",
                         proof="possession" if fell else "none")
            suite.fields(f"{case} at {depth}, view", only(records[case]), error="",
                         depth="complete" if fell else depth, attempts=2 if fell else 1)


def key_usage(suite, servers):
    """An RSA leaf that may not sign and does: what the library says of it holds at every depth."""
    servers.leaves["encipher"] = suite.mint("leaf-encipher", servers.issuing, key="rsa2048",
                                            names=["*.depths.test"], extensions="encipher")
    servers.s_server("encipher-static", "-tls1_2", "-cipher", "AES128-GCM-SHA256", key="encipher")
    servers.s_server("encipher-ecdhe", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256",
                     key="encipher")
    whole = servers.sweep(["encipher-ecdhe"], code=None)
    for depth in DEPTHS[1:]:
        records = servers.sweep(["encipher-ecdhe"], "--depth", depth, code=None)
        suite.equal(f"KeyUsage without signing at {depth} falls back",
                    suite.metadata["handshakes"]["fallback"], 1)
        agree_on = {name: whole["encipher-ecdhe"][name] for name in ("status", "verdict")}
        suite.fields(f"KeyUsage without signing at {depth}", records["encipher-ecdhe"], **agree_on)
    servers.sweep(["encipher-static"], "--depth", "capture")
    suite.equal("static RSA signs nothing", suite.metadata["handshakes"]["fallback"], 0)


def flaky(suite, servers):
    """A server that resets every other connection: the proof has retries of its own."""
    server = servers.targets["p256-13"]
    address = suite.address()
    listener = socket.create_server((address, 0))

    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)  # s_server serves one after the other

    def run():
        for turn in range(4):
            conn, _ = listener.accept()
            if turn % 2 == 0:
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                conn.close()
                continue
            behind = socket.create_connection((server["connect"], server["port"]))
            for ends in (conn, behind), (behind, conn):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    servers.add("flaky", address, listener.getsockname()[1])
    stranger = [servers.leaf("p521").pin]
    record = servers.sweep(["flaky"], "--depth", "capture", "--retries", "1", pins=stranger,
                           code=1)["flaky"]
    suite.fields("flaky", record, verdict="mismatch", proof="possession")
    suite.fields("flaky, view", only(record), depth="prove", attempts=4, proof="possession")


def escalation(suite, servers):
    cases = ["p256-13", "rsa2048-12"]
    stranger = [servers.leaf("p521").pin]
    records = servers.sweep(cases, "--depth", "capture", pins=stranger, code=1)
    for case in cases:
        suite.fields("escalated " + case, records[case], verdict="mismatch", proof="possession")
        suite.fields("escalated " + case, only(records[case]), depth="prove", attempts=2,
                     proof="possession")
    suite.fields("escalated, counts", suite.metadata["handshakes"], captured=2, proven=2,
                 fallback=0)
    records = servers.sweep(cases, "--depth", "capture", "--no-escalate", pins=stranger, code=1)
    for case in cases:
        suite.fields("not escalated " + case, records[case], verdict="mismatch", proof="none")
        suite.fields("not escalated " + case, only(records[case]), depth="capture", attempts=1)
    suite.equal("not escalated, metadata", suite.metadata["escalate"], False)
    records = servers.sweep(cases, "--depth", "capture")
    for case in cases:
        suite.fields("a match stays captured: " + case, records[case], verdict="match",
                     proof="none")


def gnutls(suite, servers):
    rows = [(version, key, "") for version in ("1.2", "1.3")
            for key in ("p256", "p384", "p521", "rsa2048", "rsa4096", "ed25519")]
    rows += [(version, key, ":-CIPHER-ALL:+" + cipher) for version in ("1.2", "1.3")
             for key in ("p256", "rsa2048")
             for cipher in ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305")]
    rows += [("1.2", key, ":-CIPHER-ALL:+AES-256-CBC:-MAC-ALL:+SHA1") for key in ("p256", "rsa2048")]
    cases = []
    for i, (version, key, more) in enumerate(rows):
        cases.append(f"gnutls-{key}-{version.replace('.', '')}-{i}")
        servers.gnutls(cases[-1], f"NORMAL:-VERS-ALL:+VERS-TLS{version}{more}", key)
    at_every_depth(suite, servers, cases, "gnutls-serv")


def stunnel(suite, servers):
    """One process with a service a case; behind them nobody listens, which is told after the
    handshake."""
    rows = [(version, key, "") for version in ("1.2", "1.3")
            for key in ("p256", "p384", "p521", "rsa2048", "ed25519")]
    rows += [("1.2", key, f"ciphers = {name}:@SECLEVEL=0") for key, names in
             (("p256", ECDSA_12), ("rsa2048", RSA_12)) for name in names]
    rows += [("1.3", "rsa2048", f"ciphersuites = {name}") for name in SUITES_13]
    config = ["foreground = yes", "pid =", "debug = err"]
    cases, ports = [], []
    for i, (version, key, more) in enumerate(rows):
        case = f"stunnel-{key}-{i}"
        address, port = servers.place(case)
        config += [f"[{case}]", f"accept = {address}:{port}", "connect = 127.0.0.1:1",
                   f"sslVersion = TLSv{version}", f"cert = {servers.pem(case, key)}",
                   f"key = {servers.leaf(key).key}", more]
        cases.append(case)
        ports.append(port)
    file = suite.work / "stunnel.conf"
    file.write_text("\n".join(config) + "\n", encoding="ascii")
    suite.start(["stunnel4", str(file)], ports)
    at_every_depth(suite, servers, cases, "stunnel")


def haproxy(suite, servers):
    rows = [(f"ssl-min-ver TLSv{version} ssl-max-ver TLSv{version}", keys)
            for version in ("1.2", "1.3")
            for keys in (["p256"], ["p384"], ["rsa2048"], ["p256", "rsa2048"])]
    rows += [(f"ssl-max-ver TLSv1.2 ciphers {name}:@SECLEVEL=0", [key]) for key, names in
             (("p256", ECDSA_12), ("rsa2048", RSA_12)) for name in names]
    rows += [(f"ssl-min-ver TLSv1.3 ciphersuites {name}", ["p256"]) for name in SUITES_13]
    rows += [("alpn h2,http/1.1", ["p256", "rsa2048"])]
    config = ["defaults", "  mode http", "  timeout client 30s", "frontend all",
              "  http-request return status 200"]
    cases, ports = [], []
    for i, (words, keys) in enumerate(rows):
        case = f"haproxy-{i}"
        address, port = servers.place(case)
        files = " ".join(f"crt {servers.pem(case, key, with_key=True)}" for key in keys)
        config.append(f"  bind {address}:{port} ssl {files} {words}")
        cases.append(case)
        ports.append(port)
    file = suite.work / "haproxy.cfg"
    file.write_text("\n".join(config) + "\n", encoding="ascii")
    suite.start(["haproxy", "-db", "-f", str(file)], ports)
    at_every_depth(suite, servers, cases, "haproxy", "--key-types", "any,rsa,ecdsa")


def go(suite, servers):
    program = suite.work / "tls_server"
    subprocess.run(["go", "build", "-o", str(program), str(ROOT / "tests/support/tls_server.go")],
                   check=True, timeout=300, env={
                       "PATH": "/usr/bin:/bin", "HOME": str(suite.work), "GOFLAGS": "-mod=mod",
                       "GO111MODULE": "off", "GOCACHE": str(suite.work / "go-cache")})
    suites = {"p256": "ECDHE_ECDSA", "rsa2048": "ECDHE_RSA"}
    rows = [(version, "-", [key]) for version in ("1.2", "1.3")
            for key in ("p256", "p384", "p521", "rsa2048", "rsa4096", "ed25519")]
    rows += [("1.2", f"TLS_{kind}_WITH_{name}", [key]) for key, kind in suites.items() for name in
             ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305_SHA256",
              "AES_128_CBC_SHA", "AES_256_CBC_SHA")]
    rows += [(version, "-", ["p256", "rsa2048"]) for version in ("1.2", "1.3", "both")]
    lines, cases, ports = [], [], []
    for i, (version, names, keys) in enumerate(rows):
        case = f"go-{i}"
        address, port = servers.place(case)
        files = ";".join(f"{servers.pem(case, key)},{servers.leaf(key).key}" for key in keys)
        lines.append(f"{address}:{port} {version} {names} {files}\n")
        cases.append(case)
        ports.append(port)
    table = suite.work / "tls_server.in"
    table.write_text("".join(lines), encoding="ascii")
    with open(table, "rb") as stream:
        suite.start([str(program)], ports, stdin=stream)
    at_every_depth(suite, servers, cases, "go", "--key-types", "any,rsa,ecdsa")


def nginx(suite, servers):
    work = suite.work / "nginx"
    work.mkdir()
    port = suite.free_port()
    blocks = []
    cases = {"nginx": "TLSv1.2 TLSv1.3", "nginx12": "TLSv1.2", "nginx13": "TLSv1.3"}
    for case, versions in cases.items():
        address = suite.address()
        pair = []
        for key in "p256", "rsa2048":
            chain = suite.bundle(f"{case}-{key}.pem", servers.leaf(key), servers.issuing)
            pair.append(f"ssl_certificate {chain}; ssl_certificate_key {servers.leaf(key).key};")
        blocks.append(f"server {{ listen {address}:{port} ssl; ssl_protocols {versions}; "
                      f"return 200 ok; {' '.join(pair)} }}\n")
        servers.add(case, address, port)
    temporary = "".join(f"{kind}_temp_path {work}/{kind};\n" for kind in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (work / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {work}/pid;\nerror_log stderr crit;\n"
        f"events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{temporary}"
        + "".join(blocks) + "}\n", encoding="ascii")
    suite.start(["nginx", "-p", str(work), "-c", str(work / "nginx.conf"), "-e", "stderr"], [port])
    at_every_depth(suite, servers, list(cases), "nginx", "--key-types", "any,rsa,ecdsa")


def fleet(suite):
    """fleetsim's usual server, its fast one, and its ways to cut a flight."""
    for options in ["--dual", "--tls", "mixed"], ["--fast", "--rsa-percent", "50"]:
        ports = suite.start_fleet("--port", "0", "--identities", "60", "--write-trust",
                                  str(suite.work / "fleet.pem"), *options, "--behaviour",
                                  "0=pieces", "--behaviour", "0=small-records")
        lines = [{"host": f"h{i}.fleet.test", "connect": f"127.0.0.{i}", "port": ports[0]}
                 for i in range(1, 41)]
        lines += [{"host": f"h{i}.fleet.test", "connect": "127.0.0.1", "port": port}
                  for i, port in enumerate(ports[1:], 41)]
        records = {}
        for depth in DEPTHS:
            got = suite.sweep(lines, "--depth", depth, "--key-types", "any,rsa,ecdsa",
                              trust=str(suite.work / "fleet.pem"), code=None)
            records[depth] = {f"{i}": record for i, record in enumerate(got)}
            suite.equal(f"fleetsim {options[0]} at {depth}, nothing fell back",
                        suite.metadata["handshakes"]["fallback"], 0)
        agree(suite, records, f"fleetsim {options[0]}")
        for case, record in records["complete"].items():
            suite.fields(f"fleetsim {options[0]} {case}", record, status="success")


def main():
    with Suite("depths") as suite:
        servers = Servers(suite)
        openssl(suite, servers)
        key_types(suite, servers)
        fallbacks(suite, servers)
        key_usage(suite, servers)
        escalation(suite, servers)
        flaky(suite, servers)
        nginx(suite, servers)
        gnutls(suite, servers)
        stunnel(suite, servers)
        haproxy(suite, servers)
        go(suite, servers)
        fleet(suite)


main()
