"""Run by pins.sh: pins of `pins make` are what openssl computes from the same certificate, key or
request, live ones too; openssl and curl accept servers by the records and strings that it writes
and refuse others; no byte of a private key is printed. What `pins convert` writes is well-formed XML
and plist to other readers; `pins show` keeps its schema."""
import base64
import hashlib
import json
import os
import plistlib
import re
import shutil
import subprocess
import xml.etree.ElementTree

from peers import ROOT, Suite

MADE = {"rsa2048": "rsa-2048", "p256": "ecdsa-p256", "p384": "ecdsa-p384", "p521": "ecdsa-p521",
        "ed25519": "ed25519"}
MATCHING = {0: lambda data: data, 1: lambda data: hashlib.sha256(data).digest(),
            2: lambda data: hashlib.sha512(data).digest()}


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True,
                          timeout=60).stdout


def run(suite, *arguments, data=b"", code=0):
    result = subprocess.run([suite.pinsweep, "pins", *arguments], input=data, capture_output=True,
                            timeout=60)
    suite.check("exit code of pins " + " ".join(arguments)[:200], result.returncode == code,
                f"{result.returncode}, expected {code}; {result.stderr.decode()}")
    return result.stdout.decode(), result.stderr.decode()


def pins_in(text):
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def pin_of(spki):
    return "sha256/" + base64.b64encode(hashlib.sha256(spki).digest()).decode()


def der_integers(der):
    """Every long run of bytes of a private key's INTEGERs and OCTET STRINGs, by openssl's own
    text."""
    text = openssl("pkey", "-inform", "DER", "-noout", "-text", data=der).decode()
    out = []
    for name in "priv", "privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient":
        found = re.search(name + r":\n((?:    [0-9a-f:]+\n)+)", text)
        if found:
            out.append(bytes.fromhex(re.sub(r"[^0-9a-f]", "", found.group(1))).lstrip(b"\0"))
    return out


class Material:
    """One key as openssl writes it: certificate, key, request, in PEM and DER."""

    def __init__(self, suite, key):
        self.key = key
        self.leaf = suite.mint("make-" + key, key=key, names=["make.pins.test"])
        self.spki = openssl("pkey", "-in", self.leaf.key, "-pubout", "-outform", "DER")
        folder = suite.work
        self.files = {"certificate": [self.leaf.file], "private key": [self.leaf.key],
                      "public key": [], "certification request": []}
        for kind, arguments in (
                ("certificate", ["x509", "-in", self.leaf.file, "-outform", "DER"]),
                ("private key", ["pkey", "-in", self.leaf.key, "-outform", "DER"]),
                ("public key", ["pkey", "-in", self.leaf.key, "-pubout"]),
                ("public key", ["pkey", "-in", self.leaf.key, "-pubout", "-outform", "DER"]),
                ("certification request", ["req", "-new", "-key", self.leaf.key, "-subj", "/CN=x"]),
                ("certification request", ["req", "-new", "-key", self.leaf.key, "-subj", "/CN=x",
                                           "-outform", "DER"])):
            self.add(folder, kind, arguments)
        if key.startswith("rsa"):
            for form in "PEM", "DER":
                self.add(folder, "private key", ["rsa", "-in", self.leaf.key, "-traditional",
                                                 "-outform", form])
                self.add(folder, "public key", ["rsa", "-in", self.leaf.key, "-RSAPublicKey_out",
                                                "-outform", form])
        elif key.startswith("p"):
            for form in "PEM", "DER":
                self.add(folder, "private key", ["ec", "-in", self.leaf.key, "-outform", form])

    def add(self, folder, kind, arguments):
        file = folder / f"{self.key}-{len(os.listdir(folder))}"
        file.write_bytes(openssl(*arguments))
        self.files[kind].append(str(file))


def made_as_openssl_does(suite, material):
    pin = pin_of(material.spki)
    secrets = der_integers(openssl("pkey", "-in", material.leaf.key, "-outform", "DER"))
    suite.check(material.key + ": openssl shows the private key", secrets)
    for kind, files in material.files.items():
        for file in files:
            out, err = run(suite, "make", file, "--no-backup")
            suite.equal(f"{material.key}, {kind}, {file}", pins_in(out), [pin])
            suite.check(f"{material.key}, {kind}: says what it is",
                        kind in out and MADE[material.key] in out, out)
            if kind == "private key":
                said = (out + err).encode()
                for secret in secrets:
                    for form in (secret, secret.hex().encode(), base64.b64encode(secret)[:40]):
                        suite.check(f"{material.key}: nothing of the private key is printed",
                                    form not in said)
            with open(file, "rb") as stream:
                out, _ = run(suite, "make", "-", "--no-backup", data=stream.read())
            suite.equal(f"{material.key}, {kind}, standard input", pins_in(out), [pin])


def records_as_openssl_does(suite, material):
    certificate = openssl("x509", "-in", material.leaf.file, "-outform", "DER")
    for selector, data in (0, certificate), (1, material.spki):
        for matching, digest in MATCHING.items():
            for usage in range(4):
                out, _ = run(suite, "make", material.leaf.file, "--no-backup", "--host",
                             "mx.pins.test:25", "--tlsa", f"{usage},{selector},{matching}")
                suite.equal(f"{material.key}: TLSA {usage} {selector} {matching}",
                            [l for l in out.splitlines() if not l.startswith(";")],
                            [f"_25._tcp.mx.pins.test. IN TLSA {usage} {selector} {matching} "
                             + digest(data).hex()])


def encrypted_keys(suite, material):
    for name, arguments in (("pkcs8", ["pkey"]), ("der", ["pkcs8", "-topk8"]),
                            ("traditional", ["rsa", "-traditional"])):
        form = ["-outform", "DER"] if name == "der" else []
        cipher = [] if name == "der" else ["-aes256"]
        file = suite.work / ("encrypted-" + name)
        file.write_bytes(openssl(*arguments, "-in", material.leaf.key, *cipher, "-passout",
                                 "pass:secret", *form))
        out, err = run(suite, "make", str(file), code=2)
        suite.check(f"encrypted, {name}: says so", "is encrypted" in err and out == "", err)
    # A key that only OpenSSL knows: its public half will do.
    other = suite.work / "secp256k1.key"
    other.write_bytes(openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
                              "ec_paramgen_curve:secp256k1"))
    _, err = run(suite, "make", str(other), code=2)
    suite.check("secp256k1: says what to do", "-pubout" in err, err)
    public = openssl("pkey", "-in", str(other), "-pubout")
    out, _ = run(suite, "make", "-", "--no-backup", data=public)
    suite.equal("secp256k1, its public half", pins_in(out),
                [pin_of(openssl("pkey", "-in", str(other), "-pubout", "-outform", "DER"))])


# --- a live server ---

def live(suite):
    root = suite.mint("Pins Root", ca=True)
    issuing = suite.mint("Pins Issuing", root, ca=True)
    leaf = suite.mint("live", issuing, names=["live.pins.test"])
    backup = suite.mint("backup", key="p384")
    chain, trust = suite.bundle("live-chain.pem", issuing), suite.bundle("live-trust.pem", root)
    address = suite.address()
    port = suite.free_port(address)
    server = suite.start(["openssl", "s_server", "-accept", f"{address}:{port}", "-cert", leaf.file,
                          "-key", leaf.key, "-cert_chain", chain, "-www"], [port])
    if server is None:
        return
    endpoint = f"{address}:{port}"
    live_options = ["--connect", endpoint, "--sni", "live.pins.test", "--backup-key", backup.key]
    out, _ = run(suite, "make", *live_options)
    suite.equal("live: leaf and backup", pins_in(out)[0::len(pins_in(out)) - 1],
                [leaf.pin, backup.pin])
    out, err = run(suite, "make", "--connect", endpoint, "--no-backup", "--to", "curl")
    suite.equal("live: curl's string is of the leaf", out.strip(),
                "sha256//" + leaf.spki)
    suite.check("live: no backup, and nothing said, as asked", "BACKUP" not in err, err)
    _, err = run(suite, "make", "--connect", endpoint, "--to", "curl")
    suite.check("live: a missing backup is said loudly", "NO BACKUP PIN" in err
                and "openssl genpkey" in err, err)
    accepted_by_openssl(suite, endpoint, leaf, backup)
    accepted_by_curl(suite, address, port, leaf, backup, trust)
    suite.stop(server)
    _, err = run(suite, "make", "--connect", endpoint, "--retries", "0", code=3)
    suite.check("nobody there: says so", "no certificate was seen" in err, err)


def accepted_by_openssl(suite, endpoint, leaf, backup):
    """openssl's own DANE, with no trust anchor at all."""
    for fields in "3,1,1", "3,0,2", "3,1,0":
        for file, good in (leaf.file, True), (backup.file, False):
            out, _ = run(suite, "make", file, "--host", "live.pins.test", "--tlsa", fields,
                         "--no-backup")
            record = [l for l in out.splitlines() if " TLSA " in l][0].split(" TLSA ")[1]
            result = subprocess.run(
                ["openssl", "s_client", "-connect", endpoint, "-servername", "live.pins.test",
                 "-dane_tlsa_domain", "live.pins.test", "-dane_tlsa_rrdata", record,
                 "-verify_return_error", "-brief"],
                input=b"", capture_output=True, timeout=60)
            said = (result.stdout + result.stderr).decode()
            suite.check(f"openssl {'accepts' if good else 'refuses'} TLSA {fields}",
                        ("Verification: OK" in said) == good, said)


def accepted_by_curl(suite, address, port, leaf, backup, trust):
    if shutil.which("curl") is None:
        print("skipped: there is no curl")
        return
    for files, good in (([leaf.file, "--backup-key", backup.key], True),
                        ([backup.file, "--no-backup"], False)):
        out, _ = run(suite, "make", *files, "--to", "curl")
        result = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "--cacert", trust, "--noproxy", "*", "--resolve",
             f"live.pins.test:{port}:{address}", "--pinnedpubkey", out.strip(),
             f"https://live.pins.test:{port}/"], capture_output=True, timeout=60)
        suite.equal(f"curl {'accepts' if good else 'refuses'} the server by its pin",
                    result.returncode, 0 if good else 90)


# --- convert and show ---

def other_readers(suite):
    policy = str(ROOT / "data/policy.example.yaml")
    for format_name, client in (("android", "android"), ("ios", "android"), ("trustkit", "android")):
        out, _ = run(suite, "convert", "-p", policy, "--client", client, "--to", format_name,
                     "--lossy")
        tree = xml.etree.ElementTree.fromstring(out.encode())
        if format_name == "android":
            pins = [pin.text for pin in tree.iter("pin")]
            suite.check("android: the pins by another XML reader",
                        pins == ["C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M=",
                                 "mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c="], pins)
            continue
        plist = plistlib.loads(out.encode())
        domains = (plist["NSAppTransportSecurity"]["NSPinnedDomains"] if format_name == "ios" else
                   plist["TSKConfiguration"]["TSKPinnedDomains"])
        suite.check(format_name + ": the domains by another plist reader",
                    {"api.bank.example", "pay.bank.example", "cdn.bank.example",
                     "mq.bank.example"} <= set(domains), sorted(domains))


def schema(suite):
    policies = [str(ROOT / "data/policy.example.yaml")]
    pins = ROOT / "data/pins"
    policies += [str(pins / name) for name in os.listdir(pins)]
    arguments = [a for policy in policies for a in ("-p", policy)]
    for number, more in enumerate(([], ["--host", "api.bank.example"])):
        out, _ = run(suite, "show", *arguments, "--output", "ndjson", *more)
        file = suite.work / f"show{number}.ndjson"
        file.write_text(out, encoding="utf-8")
        result = subprocess.run([str(ROOT / "tests/support/validate.py"),
                                 str(ROOT / "data/pins.schema.json"), str(file)],
                                capture_output=True, text=True, timeout=120)
        suite.check("every pin-set record keeps the contract", result.returncode == 0,
                    result.stderr)
        records = [json.loads(line) for line in out.splitlines()]
        suite.check("there are pin sets of every client",
                    more or len({r["client"] for r in records}) >= 9, len(records))


def main():
    with Suite("pins") as suite:
        materials = [Material(suite, key) for key in MADE]
        for material in materials:
            made_as_openssl_does(suite, material)
        for material in materials[:2]:
            records_as_openssl_does(suite, material)
        encrypted_keys(suite, materials[0])
        live(suite)
        other_readers(suite)
        schema(suite)


main()
