"""Run by s_server.sh: `openssl s_server`, one process a case; fleetsim for what it cannot do."""
import subprocess
import time

import oracle
from peers import KEYS, Suite, only

NO_LEVEL = ["-cipher", "DEFAULT:@SECLEVEL=0"]  # OpenSSL 3 has SHA-1 and old versions there alone


class Cases:
    """Servers under one issuer; targets by case."""

    def __init__(self, suite):
        self.suite = suite
        self.root = suite.mint("Root", ca=True)
        self.issuing = suite.mint("Issuing", self.root, ca=True)
        self.trust = suite.bundle("roots.pem", self.root)
        self.chain = suite.bundle("chain.pem", self.issuing)
        self.leaves = {}
        self.targets = {}
        self.processes = {}

    def leaf(self, key):
        if key not in self.leaves:
            self.leaves[key] = self.suite.mint("leaf-" + key, self.issuing, key=key,
                                               names=["*.s-server.test"])
        return self.leaves[key]

    def add(self, case, *arguments, key="p256", chain=None, stay=True, **options):
        """Starts a server. `stay`: it serves one connection after the other (-www)."""
        leaf = self.leaf(key)
        address = self.suite.address()
        port = self.suite.free_port(address)
        command = ["openssl", "s_server", "-accept", f"{address}:{port}", "-cert", leaf.file,
                   "-key", leaf.key, "-cert_chain", chain or self.chain, *arguments]
        if stay:
            command.append("-www")
        self.processes[case] = self.suite.start(command, [port], **options)
        self.targets[case] = {"host": case + ".s-server.test", "connect": address, "port": port}

    def sweep(self, cases, *arguments, pins=None, **more):
        policy = self.suite.policy(("all", ["*.s-server.test"], pins or [self.root.pin], {}))
        records = self.suite.sweep([self.targets[c] for c in cases], *arguments, policy=policy,
                                   trust=self.trust, **more)
        return dict(zip(cases, records))


def expect_good(suite, case, record, **view):
    expected = dict(status="success", proof="possession", depth="complete", host_match=True,
                    client_cert_requested=False, error="")
    expected.update(view)
    suite.fields(case + ", record", record, status="success", verdict="match", complete=True)
    suite.fields(case + ", view", only(record), **expected)


def key_types(suite, servers):
    names = {"p256": "ecdsa-p256", "p384": "ecdsa-p384", "p521": "ecdsa-p521", "ed25519": "ed25519",
             "rsa2048": "rsa-2048", "rsa3072": "rsa-3072", "rsa4096": "rsa-4096"}
    served = {}
    for key in KEYS:
        for version in "-tls1_2", "-tls1_3":
            case = key + version.replace("_", "-")
            servers.add(case, version, key=key)
            served[case] = key
    records = servers.sweep(list(served), code=3)
    for case, key in served.items():
        if key in names:
            expect_good(suite, case, records[case], leaf_key=names[key],
                        tls_version="TLSv1.2" if "1-2" in case else "TLSv1.3")
            suite.equal(case + ", the leaf's key", only(records[case])["chain"][0]["spki_sha256"],
                        servers.leaf(key).spki)
        else:  # RSA-PSS and Ed448: no scheme of ours can prove them; the server may say it first
            suite.fields(case + ", record", records[case], status={"unsupported", "tls-alert"},
                         verdict="unknown", complete=False)
            suite.fields(case + ", view", only(records[case]), proof="none", chain=[])
    cases = ["p384-tls1-2", "p521-tls1-3", "ed25519-tls1-3", "ed25519-tls1-2", "rsa4096-tls1-2",
             "rsa-pss-tls1-3", "ed448-tls1-3"]
    has = {"p384-tls1-2": "ecdsa", "p521-tls1-3": "ecdsa", "ed25519-tls1-3": "ed25519",
           "ed25519-tls1-2": "ed25519", "rsa4096-tls1-2": "rsa"}
    records = servers.sweep(cases, "--key-types", "rsa,ecdsa,ed25519", code=None)
    for case in cases:
        suite.equal(case + ", one view a key type",
                    {v["key_type"]: v["status"] for v in records[case]["views"]},
                    {kind: "success" if has.get(case) == kind else "not-offered"
                     for kind in ("rsa", "ecdsa", "ed25519")})


def old_versions(suite, servers):
    for name, option in ("tls10", "-tls1"), ("tls11", "-tls1_1"):
        servers.add(name, option, *NO_LEVEL)
        servers.add(name + "-rsa", option, *NO_LEVEL, key="rsa2048")
    cases = ["tls10", "tls11", "tls10-rsa", "tls11-rsa"]
    for case, record in servers.sweep(cases, code=3).items():
        suite.fields(case + ", not asked for", record, status={"tls-alert", "unsupported"},
                     verdict="unknown")
    for case, record in servers.sweep(cases, "--min-version", "1.0").items():
        expect_good(suite, case, record, tls_version="TLSv1." + case[4])


def handshakes(suite, servers):
    servers.add("static-rsa", "-tls1_2", "-cipher", "AES128-GCM-SHA256", key="rsa2048")
    servers.add("dhe-only", "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256", "-dhparam",
                dh_parameters(suite), key="rsa2048")
    servers.add("retry", "-tls1_3", "-groups", "P-384")
    servers.add("curve12", "-tls1_2", "-groups", "P-256")
    servers.add("no-group", "-tls1_3", "-groups", "X448")
    servers.add("alpn", "-alpn", "http/1.1,h2")
    servers.add("alpn-other", "-alpn", "imap")
    servers.add("asked12", "-tls1_2", "-verify", "1")
    servers.add("asked13", "-tls1_3", "-verify", "1")
    servers.add("required12", "-tls1_2", "-Verify", "1", "-verify_return_error")
    servers.add("required12-rsa", "-tls1_2", "-Verify", "1", "-verify_return_error", key="rsa2048")
    servers.add("required13", "-tls1_3", "-Verify", "1", "-verify_return_error")
    servers.add("small-records", "-split_send_frag", "512", "-max_send_frag", "512")
    servers.add("chacha", "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
    servers.add("aes256", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384")
    # An interactive server that nobody tells to end keeps its side open after the client's close.
    servers.add("no-close", "-quiet", stay=False, stdin=subprocess.PIPE)
    good = {
        "static-rsa": dict(cipher="TLS_RSA_WITH_AES_128_GCM_SHA256", group="", signature_scheme=""),
        "retry": dict(group="P-384", tls_version="TLSv1.3"),
        "curve12": dict(group="P-256", tls_version="TLSv1.2"),
        "alpn": dict(alpn="http/1.1"),
        "asked12": dict(client_cert_requested=True, tls_version="TLSv1.2"),
        "asked13": dict(client_cert_requested=True, tls_version="TLSv1.3"),
        "required12": dict(client_cert_requested=True, depth="prove", tls_version="TLSv1.2"),
        "required12-rsa": dict(client_cert_requested=True, depth="prove", tls_version="TLSv1.2"),
        "required13": dict(client_cert_requested=True, depth="complete", tls_version="TLSv1.3"),
        "small-records": dict(tls_version="TLSv1.3"),
        "chacha": dict(cipher="TLS_CHACHA20_POLY1305_SHA256"),
        "aes256": dict(cipher="TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        "no-close": dict(tls_version="TLSv1.3"),
    }
    records = servers.sweep([*good, "alpn-other", "dhe-only", "no-group"], code=3)
    for case, view in good.items():
        if case.startswith("required12"):
            view["error"] = only(records[case])["error"]  # says why it was not completed
            suite.check(case + ", says why", "client certificate" in view["error"], view["error"])
        expect_good(suite, case, records[case], **view)
    for case in "dhe-only", "no-group", "alpn-other":
        suite.fields(case, records[case], status={"tls-alert", "unsupported"}, verdict="unknown",
                     views_failed=0)
        suite.check(case + ", says why", "alert" in only(records[case])["error"],
                    only(records[case])["error"])
    records = servers.sweep(["alpn-other", "alpn"], "--alpn", "")
    for case in "alpn-other", "alpn":
        expect_good(suite, case + " without ALPN", records[case], alpn="")


def dh_parameters(suite):
    """A group of RFC 7919 as a file: made at once, where generating one takes minutes."""
    file = suite.work / "dh.pem"
    subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
                    "group:ffdhe2048", "-out", str(file)], check=True, capture_output=True,
                   timeout=60)
    return str(file)


def chains(suite, servers):
    roots = oracle.split_pem(oracle.SYSTEM_BUNDLE)[:40]
    for count in 30, 31, 32:  # with the leaf: 31, 32 (CHAIN_CERTS_MAX), 33
        file = suite.work / f"long{count}.pem"
        file.write_text(servers.issuing.pem + "".join(roots[:count - 1]), encoding="ascii")
        for version in "-tls1_2", "-tls1_3":
            servers.add(f"long{count}{version.replace('_', '-')}", version, *NO_LEVEL,
                        chain=str(file))
    cases = [f"long{c}-tls1-{v}" for c in (30, 31, 32) for v in (2, 3)]
    records = servers.sweep(cases, code=3)
    for case in cases:
        count = int(case[4:6])
        if count < 32:
            expect_good(suite, case, records[case])
            suite.equal(case + ", certificates",
                        [c["cert_sha256"] for c in only(records[case])["chain"]],
                        [servers.leaf("p256").sha256, servers.issuing.sha256]
                        + [oracle.pem_sha256(p) for p in roots[:count - 1]])
            suite.equal(case + ", on the path",
                        [c["on_path"] for c in only(records[case])["chain"]],
                        [True, True] + [False] * (count - 1))
        else:
            suite.fields(case, records[case], status="chain-too-large", verdict="unknown")
    (port, many, huge) = suite.start_fleet(
        "--behaviour", "0=malformed-intermediate", "--behaviour", "0=many-certificates",
        "--behaviour", "0=huge-chain", "--write-trust", str(suite.work / "fleet.pem"))
    policy = suite.policy(("fleet", ["*.fleet.test"], [servers.root.pin], {}))
    fleet = suite.sweep([{"host": f"h{n + 1}.fleet.test", "connect": "127.0.0.1", "port": p}
                         for n, p in enumerate((port, many, huge))], policy=policy,
                        trust=str(suite.work / "fleet.pem"), code=None)
    # The leaf and its key were proven; what is beside the point for pins must not hide them.
    suite.fields("malformed intermediate", only(fleet[0]), status="success", proof="possession")
    suite.check("malformed intermediate is told",
                not all(c["strict"] for c in only(fleet[0])["chain"]),
                only(fleet[0])["chain"])
    suite.fields("malformed intermediate, pkix", only(fleet[0])["pkix"][0],
                 result={"malformed", "incomplete-chain", "untrusted"})
    for record in fleet[1:]:
        suite.fields("fleetsim's " + record["host"], record, status="chain-too-large",
                     verdict="unknown")


def ends(suite, servers):
    servers.add("once", "-naccept", "1")
    servers.add("twice", "-naccept", "2")
    records = servers.sweep(["once", "twice"])
    for case in "once", "twice":
        expect_good(suite, case, records[case], attempts=1)
    end = time.monotonic() + 10
    while servers.processes["once"].poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    records = servers.sweep(["once", "twice"], "--retries", "2", code=3)
    suite.fields("a server that is gone", records["once"], status="connection-refused",
                 verdict="unknown", complete=False)
    suite.fields("a server that is gone, tried", only(records["once"]), attempts=3)
    expect_good(suite, "twice, its last", records["twice"])


def pins(suite, servers):
    """What matches in which scope, against digests that openssl computed."""
    leaf, issuing, root = servers.leaf("p256"), servers.issuing, servers.root
    host = ["p256-tls1-3.s-server.test"]
    policy = suite.policy(
        ("curl", host, [leaf.pin], {"client": "curl"}),
        ("curl-ca", host, [issuing.pin], {"client": "curl"}),
        ("ca-only", host, [issuing.pin], {"scope": "ca-only"}),
        ("presented", host, [root.pin], {"scope": "presented"}),
        ("certificate", host, [{"pin": "sha256:" + leaf.sha256, "of": "cert"}], {"scope": "leaf"}),
        ("apple", host, [{"pin": root.pin, "list": "ca"}, {"pin": leaf.pin, "list": "leaf"}],
         {"client": "apple"}),
        ("expired", host, [leaf.pin], {"expires": "2020-01-01", "on_expiry": "fail-open"}),
        ("closed", host, [leaf.pin], {"expires": "2020-01-01", "on_expiry": "fail-closed"}),
        ("reported", host, [servers.leaf("p384").pin], {"report_only": True}))
    (record,) = suite.sweep([servers.targets["p256-tls1-3"]], policy=policy, trust=servers.trust,
                            code=1)
    expected = {"curl": "match", "curl-ca": "mismatch", "ca-only": "match", "presented": "mismatch",
                "certificate": "match", "apple": "match", "expired": "expired-pinset",
                "closed": "mismatch", "reported": "report-only"}
    suite.equal("verdicts", {p["name"]: p["verdict"] for p in record["pin_sets"]}, expected)
    sets = {p["name"]: p for p in record["pin_sets"]}
    suite.equal("would be", {n: sets[n]["would_be"] for n in ("expired", "closed", "reported")},
                {"expired": "match", "closed": "mismatch", "reported": "mismatch"})
    suite.equal("depths", {n: [m["path_depth"] for m in sets[n]["matches"]]
                           for n in ("curl", "ca-only")}, {"curl": [0], "ca-only": [1]})
    suite.fields("worst of all", record, verdict="mismatch")


def main():
    with Suite("s_server") as suite:
        servers = Cases(suite)
        key_types(suite, servers)
        pins(suite, servers)
        old_versions(suite, servers)
        handshakes(suite, servers)
        chains(suite, servers)
        ends(suite, servers)


main()
