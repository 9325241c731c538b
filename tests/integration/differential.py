"""Run by differential.sh. Suite.hold_outputs() compares whatever was swept with openssl (digests of
every certificate and key; every path; every chain): here are the sweeps that give it much to
compare, and the reference vectors."""
import datetime

import oracle
from peers import Suite, only

ROOTS_PER_CHAIN = 30  # with leaf and issuer: CHAIN_CERTS_MAX

# What CAs publish about their roots: subject's common name and SPKI pin.
VECTORS = {
    "ISRG Root X1": "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=",
    "GTS Root R4": "mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c=",
    "DigiCert Global Root G2": "i7WTqTvh0OioIruIfFR4kMPnBqrS2rdiVPl/s2uC/CY=",
    "Amazon Root CA 1": "++MBgDH5WGvL9Bcn5Be30cRcL0f5O+NyoXuWtQdX1aI=",
}


def real_roots(suite):
    """Every root of ca-certificates, sent by s_server behind a leaf."""
    root = suite.mint("Root", ca=True)
    issuing = suite.mint("Issuing", root, ca=True)
    leaf = suite.mint("leaf", issuing, names=["*.roots.test"])
    roots = oracle.split_pem(oracle.SYSTEM_BUNDLE)
    suite.check("ca-certificates has its roots", len(roots) > 100, len(roots))
    targets = []
    for first in range(0, len(roots), ROOTS_PER_CHAIN):
        file = suite.work / f"roots{first}.pem"
        file.write_text(issuing.pem + "".join(roots[first:first + ROOTS_PER_CHAIN]),
                        encoding="ascii")
        address = suite.address()
        port = suite.free_port(address)
        suite.start(["openssl", "s_server", "-accept", f"{address}:{port}", "-cert", leaf.file,
                     "-key", leaf.key, "-cert_chain", str(file), "-cipher", "DEFAULT:@SECLEVEL=0",
                     "-www"], [port])
        targets.append({"host": f"r{first}.roots.test", "connect": address, "port": port})
    trust = suite.bundle("trust.pem", root)
    records = suite.sweep(targets, trust=trust)
    keys, names = {}, {}
    for record in records:
        suite.fields(record["host"], only(record), status="success", proof="possession")
        for certificate in only(record)["chain"]:
            keys[certificate["cert_sha256"]] = certificate["spki_sha256"]
            names[certificate["subject"]] = certificate["spki_sha256"]
    missing = [oracle.pem_sha256(pem) for pem in roots if oracle.pem_sha256(pem) not in keys]
    suite.equal("every root was seen", missing, [])
    for name, pin in VECTORS.items():
        found = [key for subject, key in names.items() if f"CN={name}" in subject]
        suite.equal("reference vector of " + name, found, [pin])
    # The same as anchors: roots that are trusted as well as sent make no path of our leaf longer.
    both = suite.work / "both.pem"
    both.write_text(root.pem + "".join(roots), encoding="ascii")
    for record in suite.sweep(targets[:1], trust=str(both)):
        suite.equal("one path among many anchors",
                    [p["certificates"] for p in only(record)["paths"]],
                    [[leaf.sha256, issuing.sha256, root.sha256]])


def anchors_of_every_kind(suite):
    """Anchors are never sent: their digests are in the paths alone."""
    roots, targets = [], []
    for key in "p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096", "ed25519":
        root = suite.mint("Root " + key, key=key, ca=True)
        leaf = suite.mint("leaf below " + key, root, names=[key + ".roots.test"])
        address = suite.address()
        port = suite.free_port(address)
        suite.start(["openssl", "s_server", "-accept", f"{address}:{port}", "-cert", leaf.file,
                     "-key", leaf.key, "-www"], [port])
        roots.append(root)
        targets.append({"host": key + ".roots.test", "connect": address, "port": port})
    policy = suite.policy(("roots", ["*.roots.test"], [r.pin for r in roots], {}))
    records = suite.sweep(targets, policy=policy, trust=suite.bundle("kinds.pem", *roots))
    for root, record in zip(roots, records):
        suite.fields(record["host"], record, status="success", verdict="match")
        suite.equal(record["host"] + ", anchor",
                    [(p["anchor_spki_sha256"], p["certificates"][-1])
                     for p in only(record)["paths"]],
                    [(root.spki, root.sha256)])


def fleet(suite):
    files = {n: str(suite.work / n) for n in ("roots", "inventory", "policy")}
    (port,) = suite.start_fleet("--port", "0", "--scenario", "demo", "--dual", "--identities", "16",
                                "--count", "16", "--write-trust", files["roots"],
                                "--write-inventory", files["inventory"], "--write-policy",
                                files["policy"])
    with open(files["inventory"], encoding="ascii") as stream:
        lines = stream.read().splitlines()
    header, hosts = lines[0], lines[1:]
    suite.check("an inventory with a header", "host" in header and len(hosts) > 30, header)
    now = datetime.datetime.now(datetime.timezone.utc)
    for days in 0, 20000, -4000:
        at = (now + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        # Views of RSA leaves once: their chains are the same at any date. Silent hosts are short.
        records = suite.sweep(lines, "--key-types", "any" if days else "any,rsa", "-t", "5s",
                              "--retries", "0", policy=files["policy"], trust=files["roots"],
                              at=at, code=None, records=len(hosts))
        results = {p["result"] for r in records for v in r["views"] for p in v["pkix"]}
        due = {0: {"ok", "expired", "incomplete-chain"}, 20000: {"expired"},
               -4000: {"not-yet-valid"}}[days]
        suite.check(f"fleetsim {days} days from now has {due}", due <= results, results)
        suite.check("and nothing valid" if days else "and much valid",
                    (sum(p["valid"] for r in records for v in r["views"] for p in v["paths"]) > 30)
                    == (days == 0))


def main():
    with Suite("differential") as suite:
        real_roots(suite)
        anchors_of_every_kind(suite)
        fleet(suite)


main()
