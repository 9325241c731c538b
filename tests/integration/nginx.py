"""Run by nginx.sh: one nginx with a server for each case, swept as a user would."""
from peers import Suite, only


class Pki:
    """root - policy - issuing - leaves, and strangers."""

    def __init__(self, suite):
        self.suite = suite
        self.root = suite.mint("Root", ca=True)
        self.policy = suite.mint("Policy", self.root, ca=True)
        self.issuing = suite.mint("Issuing", self.policy, ca=True)
        self.other_root = suite.mint("Other Root", ca=True)
        self.rsa_issuing = suite.mint("RSA Issuing", self.other_root, key="rsa2048", ca=True)
        self.mids = [self.issuing, self.policy]
        self.trust = suite.bundle("roots.pem", self.root, self.other_root)
        self.narrow_trust = suite.bundle("root.pem", self.root)
        self.backup = suite.mint("Backup").pin  # a key that nobody serves

    def leaf(self, host, *names, key="p256", issuer=None):
        return self.suite.mint(host + "-" + key, issuer or self.issuing, key=key,
                               names=[host, *names])


class Server:
    def __init__(self, case, address, leaf, chain, host=None):
        self.case, self.address, self.leaf, self.chain = case, address, leaf, chain
        self.host = host or case + ".nginx.test"
        self.target = {"host": self.host, "connect": address, "port": 0}


class Nginx:
    def __init__(self, suite):
        self.suite = suite
        self.port = suite.free_port()
        self.blocks = []
        self.servers = {}

    def add(self, case, pairs, directives=(), host=None, address=None, listen="ssl", default=True):
        """A server; `pairs`: (leaf, certificates sent after it) for ssl_certificate."""
        address = address or self.suite.address()
        lines = [f"listen {'[' + address + ']' if ':' in address else address}:{self.port} {listen}"
                 + (" default_server" if default else ""),
                 f"server_name {host or case + '.nginx.test'}", "return 200 ok", *directives]
        for i, (leaf, rest) in enumerate(pairs):
            file = self.suite.bundle(f"{case}-{i}.chain", leaf, *rest)
            lines += [f"ssl_certificate {file}", f"ssl_certificate_key {leaf.key}"]
        self.blocks.append("server {\n" + "".join(f"    {line};\n" for line in lines) + "}\n")
        leaf, rest = pairs[0] if pairs else (None, [])
        self.servers[case] = Server(case, address, leaf, [leaf, *rest], host)
        self.servers[case].target["port"] = self.port

    def start(self):
        work = self.suite.work / "nginx"
        work.mkdir()
        temporary = "".join(f"{kind}_temp_path {work}/{kind};\n" for kind in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (work / "nginx.conf").write_text(
            "daemon off;\nmaster_process off;\n"
            f"pid {work}/pid;\nerror_log stderr warn;\nevents {{ worker_connections 256; }}\n"
            f"http {{\naccess_log off;\n{temporary}ssl_session_cache off;\n"
            "ssl_protocols TLSv1.2 TLSv1.3;\n" + "".join(self.blocks) + "}\n", encoding="ascii")
        return self.suite.start(["nginx", "-p", str(work), "-c", str(work / "nginx.conf"),
                                 "-e", "stderr"], [self.port])


def configure(suite, pki, nginx):
    mids = pki.mids
    ca = [f"ssl_client_certificate {pki.trust}", "ssl_verify_client on"]
    leaves = {}

    def one(case, *names, key="p256", chain=mids, directives=(), issuer=None, **more):
        leaves[case] = pki.leaf(case + ".nginx.test", *names, key=key, issuer=issuer)
        nginx.add(case, [(leaves[case], chain)], directives, **more)

    one("plain")
    one("tls12", directives=["ssl_protocols TLSv1.2"])
    one("tls13", directives=["ssl_protocols TLSv1.3"])
    one("mtls12", directives=["ssl_protocols TLSv1.2", *ca])
    one("mtls13", directives=["ssl_protocols TLSv1.3", *ca])
    one("mtls-rsa", key="rsa2048", directives=["ssl_protocols TLSv1.2", *ca])
    one("rsa-only", key="rsa2048")
    one("rsa-only12", key="rsa2048", directives=["ssl_protocols TLSv1.2"])
    one("ecdsa-only")
    one("ecdsa-only12", directives=["ssl_protocols TLSv1.2"])
    one("h2", listen="ssl http2")
    one("root-sent", chain=[*mids, pki.root])
    one("wrong-order", chain=[pki.root, pki.policy, pki.issuing])
    one("extras", chain=[pki.rsa_issuing, *mids, pki.other_root])
    one("off-path", chain=[*mids, pki.rsa_issuing])
    one("twice", chain=[pki.issuing, pki.issuing, pki.policy, pki.policy])
    one("incomplete", chain=[])
    one("missing-middle", chain=[pki.policy])
    one("wrong-host", chain=mids)
    one("untrusted", chain=[pki.rsa_issuing], issuer=pki.rsa_issuing)
    one("stranger", chain=[pki.rsa_issuing, pki.other_root], issuer=pki.rsa_issuing)
    one("mismatch")
    one("by-address", "127.0.0.1")
    one("leaf-pin")
    one("ipv6", "::1", address="::1")
    both = [pki.leaf("dual.nginx.test"),
            pki.leaf("dual.nginx.test", key="rsa2048", issuer=pki.rsa_issuing)]
    nginx.add("dual", [(both[0], mids), (both[1], [pki.rsa_issuing])])
    nginx.add("dual12", [(both[0], mids), (both[1], [pki.rsa_issuing])],
              ["ssl_protocols TLSv1.2"], host="dual.nginx.test")
    shared = suite.address()
    nginx.add("sni-default", [(pki.leaf("default.nginx.test"), mids)], host="default.nginx.test",
              address=shared)
    for case in "sni-a", "sni-b":
        one(case, address=shared, default=False)
    strict = suite.address()
    nginx.add("sni-strict", [], ["ssl_reject_handshake on"], host="_", address=strict)
    one("sni-known", address=strict, default=False)
    nginx.add("http", [], listen="")
    return both


def expect_plain(suite, server, record, version="TLSv1.3", key="ecdsa-p256", asked=False, **view):
    """What every good server here must give; `view`: what differs."""
    what = server.case
    suite.fields(what + ", record", record, status="success", complete=True, views_failed=0,
                 host=server.host, sni=server.host, pin_host=server.host, error="")
    expected = dict(status="success", key_type="any", address=server.address, tls_version=version,
                    attempts=1, depth="complete", proof="possession", leaf_key=key,
                    client_cert_requested=asked, host_match=True, alpn="http/1.1")
    expected.update(view)
    suite.fields(what + ", view", only(record), **expected)
    suite.equal(what + ", chain as sent", [c["cert_sha256"] for c in only(record)["chain"]],
                [c.sha256 for c in server.chain])
    suite.equal(what + ", keys", [c["spki_sha256"] for c in only(record)["chain"]],
                [c.spki for c in server.chain])


def expect_path(suite, pki, server, record):
    view = only(record)
    path = [server.leaf, pki.issuing, pki.policy, pki.root]
    suite.equal(server.case + ", pkix", [(p["trust"], p["result"]) for p in view["pkix"]],
                [("system", "ok")])
    suite.check(server.case + ", one path", len(view["paths"]) == 1, view["paths"])
    for reported in view["paths"][:1]:
        suite.fields(server.case + ", path", reported, trust="system", preferred=True, valid=True,
                     certificates=[c.sha256 for c in path], anchor_spki_sha256=pki.root.spki)
    suite.equal(server.case + ", on the path", [c["on_path"] for c in view["chain"]],
                [c in path for c in server.chain])


def expect_match(suite, server, record, certificate, depth, verdict="match"):
    suite.fields(server.case + ", verdict", record, verdict=verdict)
    (pin_set,) = record["pin_sets"]
    suite.fields(server.case + ", pin set", pin_set, verdict=verdict, durable=True, failed=[])
    suite.check(server.case + ", one match", len(pin_set["matches"]) == 1, pin_set["matches"])
    for match in pin_set["matches"][:1]:
        suite.fields(server.case + ", match", match, view=0, trust="system", path=0,
                     path_depth=depth, pin=certificate.pin, certificate=certificate.sha256)


def sweep_single_views(suite, pki, nginx):
    root_pinned = ["plain", "tls12", "tls13", "mtls12", "mtls13", "h2", "root-sent", "wrong-order",
                   "extras", "twice", "ipv6", "sni-a", "sni-b", "sni-known", "rsa-only",
                   "incomplete", "missing-middle", "wrong-host", "untrusted", "stranger",
                   "mtls-rsa"]
    s = nginx.servers
    wrong = dict(s["wrong-host"].target, host="elsewhere.nginx.test")
    order = [c for c in s if c not in ("dual", "dual12", "sni-default", "sni-strict", "http")]
    cases = {c: wrong if c == "wrong-host" else s[c].target for c in order}
    cases["unknown-sni"] = dict(s["sni-known"].target, host="unknown.nginx.test")
    cases["http"] = s["http"].target
    cases["refused"] = dict(s["plain"].target, host="refused.nginx.test",
                            port=suite.free_port(s["plain"].address))
    policy = suite.policy(
        ("root", [f"{c}.nginx.test" for c in root_pinned] + ["elsewhere.nginx.test"],
         [pki.root.pin], {}),
        ("backup", ["ecdsa-only.nginx.test"],
         [{"pin": pki.backup, "role": "active"}, {"pin": pki.policy.pin, "role": "backup"}], {}),
        ("leaf", ["leaf-pin.nginx.test"], [s["leaf-pin"].leaf.pin], {"scope": "leaf"}),
        ("extra", ["off-path.nginx.test"], [pki.rsa_issuing.pin], {}),
        ("wrong", ["mismatch.nginx.test", "unknown.nginx.test", "refused.nginx.test"],
         [pki.backup], {}))
    records = dict(zip(cases, suite.sweep(cases.values(), policy=policy, trust=pki.narrow_trust,
                                          code=1)))
    rsa = {"rsa-only": "TLSv1.3", "rsa-only12": "TLSv1.2", "mtls-rsa": "TLSv1.2"}
    twelve = {"tls12", "mtls12", "ecdsa-only12"}
    no_path = {"incomplete", "missing-middle", "untrusted", "stranger"}
    for case in order:
        more = {}
        server = s[case]
        if case == "wrong-host":
            server.host, more = "elsewhere.nginx.test", {"host_match": False}
        expect_plain(suite, server, records[case],
                     rsa.get(case, "TLSv1.2" if case in twelve else "TLSv1.3"),
                     "rsa-2048" if case in rsa else "ecdsa-p256", case.startswith("mtls"), **more)
        if case not in no_path:
            expect_path(suite, pki, server, records[case])
        if case in root_pinned and case not in no_path:
            expect_match(suite, server, records[case], pki.root, 3)
    expect_match(suite, s["ecdsa-only"], records["ecdsa-only"], pki.policy, 2, "match-backup")
    for case in no_path:
        result = "untrusted" if case == "stranger" else "incomplete-chain"
        suite.fields(case + ", verdict", records[case], verdict="no-path")
        suite.fields(case + ", pkix", only(records[case])["pkix"][0], result=result)
        suite.equal(case + ", paths", only(records[case])["paths"], [])
        suite.fields(case + ", pin set", records[case]["pin_sets"][0], matches=[],
                     verdict="no-path")
    suite.fields("leaf pin", records["leaf-pin"], verdict="match")
    suite.fields("leaf pin, match", records["leaf-pin"]["pin_sets"][0]["matches"][0], path_depth=0,
                 certificate=s["leaf-pin"].leaf.sha256)
    suite.fields("off-path", records["off-path"], verdict="off-path")
    (unit,) = records["off-path"]["pin_sets"][0]["failed"]
    suite.fields("off-path, the pin that was found", unit,
                 verdict="off-path", pin=pki.rsa_issuing.pin, certificate=pki.rsa_issuing.sha256)
    suite.fields("mismatch", records["mismatch"], verdict="mismatch", status="success")
    suite.fields("unpinned", records["by-address"], verdict="unpinned", pin_sets=[])
    suite.fields("unknown SNI", records["unknown-sni"], status="tls-alert", verdict="unknown",
                 complete=False, views_failed=0)
    said = only(records["unknown-sni"])["error"]
    suite.check("unknown SNI, the alert", "unrecognized_name" in said, said)
    suite.fields("plain HTTP", records["http"], status="not-tls", verdict="unpinned")
    suite.fields("refused", records["refused"], status="connection-refused", verdict="unknown")
    suite.fields("metadata", suite.metadata, accepted=len(cases), targets=len(cases), rejected=0)
    suite.equal("completed handshakes", suite.metadata["handshakes"]["completed"], len(order))


def sweep_key_types(suite, pki, nginx, both):
    s = nginx.servers
    cases = ["dual", "dual12", "rsa-only", "rsa-only12", "ecdsa-only", "ecdsa-only12", "mtls-rsa"]
    policy = suite.policy(
        ("dual-ecdsa", ["dual.nginx.test"], [pki.root.pin], {"key_types": ["ecdsa"]}),
        ("dual-rsa", ["dual.nginx.test"], [pki.root.pin], {"key_types": ["rsa"]}),
        ("dual-both", ["dual.nginx.test"], [pki.root.pin], {"key_types": ["rsa", "ecdsa"]}),
        ("single", [f"{c}.nginx.test" for c in cases[2:]], [pki.root.pin],
         {"key_types": ["rsa", "ecdsa"]}))
    # Views of one target ask the same server: the dual ones differ by chain and by root.
    records = dict(zip(cases, suite.sweep([s[c].target for c in cases], "--key-types",
                                          "any,rsa,ecdsa,ed25519", policy=policy, trust=pki.trust,
                                          code=1)))
    chains = {"ecdsa": [both[0], *pki.mids], "rsa": [both[1], pki.rsa_issuing]}
    for case in "dual", "dual12":
        views = {v["key_type"]: v for v in records[case]["views"]}
        suite.equal(case + ", views", list(views), ["any", "rsa", "ecdsa", "ed25519"])
        for kind, chain in chains.items():
            suite.fields(f"{case}, {kind}", views[kind], status="success", proof="possession",
                         leaf_key="rsa-2048" if kind == "rsa" else "ecdsa-p256", error="",
                         tls_version="TLSv1.2" if case == "dual12" else "TLSv1.3")
            suite.equal(f"{case}, {kind}, chain", [c["cert_sha256"] for c in views[kind]["chain"]],
                        [c.sha256 for c in chain])
        suite.equal(case + ", rsa ends at the other root", views["rsa"]["paths"][0]["certificates"],
                    [c.sha256 for c in (*chains["rsa"], pki.other_root)])
        suite.fields(case + ", ed25519", views["ed25519"], status="not-offered", chain=[],
                     proof="none")
        sets = {p["name"]: p for p in records[case]["pin_sets"]}
        suite.fields(case + ", clients that take ECDSA", sets["dual-ecdsa"], verdict="match")
        suite.fields(case + ", clients that take RSA", sets["dual-rsa"], verdict="mismatch")
        suite.fields(case + ", both", sets["dual-both"], verdict="path-dependent")
        rsa = list(views).index("rsa")
        suite.equal(case + ", what fails", [(f["view"], f["verdict"]) for f in
                                            sets["dual-both"]["failed"]], [(rsa, "mismatch")])
        suite.fields(case, records[case], verdict="mismatch", complete=True, views_failed=0)
    for case in cases[2:]:
        has, lacks = ("rsa", "ecdsa") if "rsa" in case else ("ecdsa", "rsa")
        views = {v["key_type"]: v for v in records[case]["views"]}
        for kind in "any", has:
            suite.fields(f"{case}, {kind}", views[kind], status="success", proof="possession")
        for kind in lacks, "ed25519":
            suite.fields(f"{case}, {kind}", views[kind], status="not-offered")
        suite.fields(case, records[case], status="success", verdict="match", complete=True,
                     views_failed=0)


def sweep_other_ways(suite, pki, nginx):
    s = nginx.servers
    a = s["sni-a"].target
    records = suite.sweep([a, dict(a, sni="sni-b.nginx.test")], trust=pki.trust)
    suite.equal("SNI apart from the host", [only(r)["chain"][0]["cert_sha256"] for r in records],
                [s["sni-a"].leaf.sha256, s["sni-b"].leaf.sha256])
    (record,) = suite.sweep([a], "--no-sni", trust=pki.trust)
    suite.equal("--no-sni", only(record)["chain"][0]["cert_sha256"], s["sni-default"].leaf.sha256)
    suite.fields("--no-sni, the name", only(record), host_match=False)
    suite.fields("--no-sni, record", record, sni="")
    records = suite.sweep([f"{a['connect']}:{nginx.port}", f"[::1]:{nginx.port}"], trust=pki.trust)
    suite.fields("a bare address sends no SNI", records[0], sni="", host=a["connect"])
    suite.fields("a bare IPv6 address matches its IP name", only(records[1]), host_match=True,
                 address="::1")
    suite.fields("a bare address has its DNS name alone", only(records[0]), host_match=False)
    (record,) = suite.sweep([s["h2"].target], "--alpn", "h2,http/1.1", trust=pki.trust)
    suite.fields("ALPN", only(record), alpn="h2")
    records = suite.sweep([s["tls12"].target, s["tls13"].target], "--min-version", "1.3",
                          trust=pki.trust)
    suite.fields("1.3 asked of a 1.2 server", records[0], status={"tls-alert", "unsupported"})
    suite.fields("1.3 asked of a 1.3 server", records[1], status="success")
    records = suite.sweep([s["tls12"].target, s["tls13"].target], "--max-version", "1.2",
                          trust=pki.trust)
    suite.fields("1.2 asked of a 1.2 server", records[0], status="success")
    suite.fields("1.2 asked of a 1.3 server", records[1], status={"tls-alert", "unsupported"})
    policy = suite.policy(("root", ["plain.nginx.test"], [pki.root.pin], {}))
    (record,) = suite.sweep([s["plain"].target], policy=policy, trust=pki.trust,
                            at="2049-01-01T00:00:00Z")
    suite.fields("judged in 2049: the pins hold", record, verdict="match")
    suite.fields("judged in 2049: the chain does not", only(record)["pkix"][0], result="expired")
    suite.fields("judged in 2049: its path", only(record)["paths"][0], valid=False, preferred=True)
    (record,) = suite.sweep([s["plain"].target], policy=policy, trust=pki.trust,
                            at="2001-01-01T00:00:00Z")
    suite.fields("judged in 2001", only(record)["pkix"][0], result="not-yet-valid")
    (record,) = suite.sweep([s["plain"].target], policy=policy, code=1)
    suite.fields("under the system's roots", record, verdict="no-path")


def main():
    with Suite("nginx") as suite:
        pki = Pki(suite)
        nginx = Nginx(suite)
        both = configure(suite, pki, nginx)
        if nginx.start() is not None:
            sweep_single_views(suite, pki, nginx)
            sweep_key_types(suite, pki, nginx, both)
            sweep_other_ways(suite, pki, nginx)


main()
