"""What the openssl program says about the certificates and paths of a sweep: digests of keys and
certificates, and whether exactly the reported path verifies. It shares no code with pinsweep."""
import base64
import datetime
import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?")
REFUSED = {"expired", "not-yet-valid", "incomplete-chain", "untrusted", "bad-signature"}


def openssl(*arguments, data=None):
    result = subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=60)
    return result.returncode, result.stdout, result.stderr


def digests(pem):
    """(hexadecimal SHA-256 of the certificate, base64 SHA-256 of its key); "" where openssl cannot
    read it."""
    code, der, _ = openssl("x509", "-outform", "der", data=pem.encode())
    certificate = hashlib.sha256(der).hexdigest() if code == 0 else ""
    code, key_pem, _ = openssl("x509", "-noout", "-pubkey", data=pem.encode())
    if code != 0:
        return certificate, ""
    code, key, _ = openssl("pkey", "-pubin", "-outform", "der", data=key_pem)
    return certificate, base64.b64encode(hashlib.sha256(key).digest()).decode() if code == 0 else ""


def split_pem(file):
    with open(file, encoding="utf-8") as stream:
        return PEM.findall(stream.read())


def pem_sha256(pem):
    return hashlib.sha256(base64.b64decode("".join(pem.splitlines()[1:-1]))).hexdigest()


class Oracle:
    def __init__(self, work):
        self.work = str(work)
        self.certificates = {}  # by SHA-256: (PEM, reported key digests)
        self.anchors = {}       # by SHA-256: PEM
        self.bundles = set()
        self.paths = {}         # (certificates, date, valid)
        self.chains = {}        # (certificates as sent, bundle, date, pkix)
        self.bad_ids = []
        self.views = 0
        self.files = 0

    def add(self, records, chains_file, trust, at):
        bundle = trust or SYSTEM_BUNDLE
        if bundle not in self.bundles:
            self.bundles.add(bundle)
            for pem in split_pem(bundle):
                self.anchors[pem_sha256(pem)] = pem
        known = set()
        with open(chains_file, encoding="utf-8") as stream:
            for line in stream:
                chain = json.loads(line)
                known.add(chain["chain_id"])
                for c in chain["certificates"]:
                    self.certificates.setdefault(c["cert_sha256"], (c["pem"], set()))[1].add(
                        c["spki_sha256"])
        for record in records:
            for view in record["views"]:
                self.add_view(view, known, bundle, at)

    def add_view(self, view, known, bundle, at):
        if not view["chain"]:
            return
        self.views += 1
        if view["chain_id"] not in known:
            self.bad_ids.append("no chain record for " + view["chain_id"])
        for c in view["chain"]:
            if c["cert_sha256"] in self.certificates:
                self.certificates[c["cert_sha256"]][1].add(c["spki_sha256"])
        for path in view["paths"]:
            self.paths[(tuple(path["certificates"]), at, path["valid"])] = path
        strict = all(c["strict"] for c in view["chain"])
        for pkix in view["pkix"]:
            if pkix["trust"] == "system" and strict:
                self.chains[(tuple(c["cert_sha256"] for c in view["chain"]), bundle, at,
                             pkix["result"])] = view

    def pem(self, digest):
        if digest in self.certificates:
            return self.certificates[digest][0]
        return self.anchors.get(digest)

    def verify(self, leaf, untrusted, trusted_file, at):
        """openssl's judgement, and its complaint."""
        arguments = ["verify", "-partial_chain", "-purpose", "sslserver", "-no-CAfile",
                     "-no-CApath", "-no-CAstore", "-trusted", trusted_file]
        if at is not None:
            moment = datetime.datetime.fromisoformat(at.replace("Z", "+00:00"))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.timezone.utc)
            arguments += ["-attime", str(int(moment.timestamp()))]
        if untrusted:
            arguments += ["-untrusted", self.file(untrusted)]
        code, out, err = openssl(*arguments, data=leaf.encode())
        return code == 0, (out + err).decode("utf-8", "replace").strip().replace("\n", " ")[-200:]

    def file(self, pems):
        self.files += 1
        name = os.path.join(self.work, f"oracle{self.files}-{hash(''.join(pems)) & 0xffffff}.pem")
        with open(name, "w", encoding="ascii") as stream:
            stream.write("".join(pems))
        return name

    def wrong_digests(self, item):
        digest, (pem, keys) = item
        certificate, key = digests(pem)
        if certificate == "":  # not for openssl: the digest of the bytes themselves must hold
            return [] if pem_sha256(pem) == digest else [f"certificate {digest}"]
        out = [] if certificate == digest else [f"certificate {digest}, openssl {certificate}"]
        if key != "":
            out += [f"{digest}: key {k}, openssl {key}" for k in keys if k != key]
        return out

    def wrong_path(self, item):
        (certificates, at, valid), path = item
        pems = [self.pem(digest) for digest in certificates]
        if None in pems:
            return [f"a certificate of path {certificates} was neither sent nor trusted"]
        if certificates[-1] not in self.anchors:
            return [f"path {certificates} ends at no anchor"]
        out = []
        if digests(pems[-1])[1] != path["anchor_spki_sha256"]:
            out.append(f"anchor {certificates[-1]}: key {path['anchor_spki_sha256']}")
        good, said = self.verify(pems[0], pems[1:-1], self.file(pems[-1:]), at)
        if good != valid:
            out.append(f"path {certificates} valid: {valid}, openssl: {said}")
        return out

    def wrong_chain(self, item):
        (certificates, bundle, at, result), view = item
        good, said = self.verify(self.pem(certificates[0]), [self.pem(c) for c in certificates[1:]],
                                 bundle, at)
        if (result == "ok" and not good) or (result in REFUSED and good):
            return [f"{view['chain'][0].get('subject')} is {result}, openssl: {said}"]
        return []

    def run(self):
        """(what, complaints, how many were held against openssl)"""
        yield "views have their chain records", self.bad_ids, self.views
        with ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
            for what, ask, items in (
                    ("digests of certificates and keys", self.wrong_digests, self.certificates),
                    ("paths", self.wrong_path, self.paths),
                    ("chains under a trust profile", self.wrong_chain, self.chains)):
                wrong = [w for some in pool.map(ask, items.items()) for w in some]
                yield what, wrong, len(items)
