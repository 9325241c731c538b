#!/usr/bin/env python3
"""hash.py PINSWEEP: `pinsweep hash` against other programs, on every certificate of Debian's
ca-certificates, python3-cryptography-vectors (PKITS, malformed, v1, explicit curves, Ed25519, PSS)
and, where apt-get can fetch sources, the test suites of OpenSSL and GnuTLS (fetched into a folder of
their own, never kept).

For each certificate file that openssl reads too: the pin must be the SHA-256 of the raw key, found
here by a walk of its own and as `openssl x509 -pubkey` gives it. Where openssl refuses or gives
other bytes, one of RULES must say why; a difference that none explains is a failure, and so is a
rule that nothing needs any more where all sources were there."""

import base64
import csv
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

VECTORS = "/usr/lib/python3/dist-packages/cryptography_vectors/x509"
TESTSSL = "/etc/testssl"
STORE = "/etc/ssl/certs/ca-certificates.crt"
LABELS = rb"(?:X509 |TRUSTED )?CERTIFICATE|PKCS7|PKCS #7 SIGNED DATA|CMS"
BEGIN = re.compile(rb"-----BEGIN (" + LABELS + rb")-----")
BLOCK = re.compile(rb"-----BEGIN (" + LABELS + rb")-----(.*?)-----END \1-----", re.S)
SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")

PINSWEEP = sys.argv[1]
passed = failed = 0
skipped = []
used_rules = set()


def check(good, text):
    global passed, failed
    passed += bool(good)
    failed += not good
    if not good:
        print("FAILED  hash:", text)


# --- a walk of our own ---

def element(der, at):
    """(tag, contents start, end) of the DER element at `at`."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("length")
        length = int.from_bytes(der[start:start + count], "big")
        start += count
    if start + length > len(der):
        raise ValueError("cut short")
    return tag, start, start + length


def tbs_fields(der):
    """[(tag, element)] of the TBSCertificate from the serial number on."""
    tag, at, end = element(der, 0)
    if tag != 0x30 or end != len(der):
        raise ValueError("no certificate")
    tag, at, end = element(der, at)
    if tag != 0x30:
        raise ValueError("no certificate")
    fields = []
    while at < end:
        tag, _, stop = element(der, at)
        fields.append((tag, der[at:stop]))
        at = stop
    if fields[0][0] == 0xA0:
        fields.pop(0)
    return fields


def raw_spki(der):
    """The SubjectPublicKeyInfo of a Certificate, with its header."""
    # serial, signature, issuer, validity, subject, key
    fields = tbs_fields(der)
    if [tag for tag, _ in fields[:6]] != [0x02, 0x30, 0x30, 0x30, 0x30, 0x30]:
        raise ValueError("no certificate")
    return fields[5][1]


def has_bad_utf8(name):
    """Whether a UTF8String somewhere in the DER of a Name is none."""
    at = 0
    while at < len(name):
        tag, start, end = element(name, at)
        if tag in (0x30, 0x31):
            if has_bad_utf8(name[start:end]):
                return True
        elif tag == 0x0C:
            try:
                name[start:end].decode()
            except UnicodeDecodeError:
                return True
        at = end
    return False


def pin_of(spki):
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()


def from_pkcs7(der):
    """What openssl finds in a PKCS#7 bundle."""
    run = subprocess.run(["openssl", "pkcs7", "-inform", "DER", "-print_certs"], input=der,
                         capture_output=True, check=False)
    if run.returncode != 0:  # CMS with signers that PKCS#7 has not
        run = subprocess.run(["openssl", "cms", "-cmsout", "-inform", "DER", "-noout", "-certsout",
                              "/dev/stdout"], input=der, capture_output=True, check=False)
    return certificates(run.stdout) if run.returncode == 0 else []


def certificates(data):
    """The certificates of a file in DER; raises ValueError where there is something else."""
    if BEGIN.search(data):
        for label, body in BLOCK.findall(data):
            der = base64.b64decode(b"".join(body.split()), validate=True)
            if label.startswith(b"PK") or label == b"CMS":
                yield from from_pkcs7(der)
                continue
            if label.startswith(b"TRUSTED"):
                der = der[:element(der, 0)[2]]
            yield der
    elif SIGNED_DATA in data[:20]:
        yield from from_pkcs7(data)
    elif data[:1] == b"\x30":
        yield data


# --- the rules for where openssl differs: names as in the design's "DER" edge case ---

def key_algorithm(spki):
    _, at, _ = element(spki, 0)
    _, at, _ = element(spki, at)
    _, start, end = element(spki, at)
    return spki[start:end].hex()


def key_point(spki):
    """The key without what may be written in two ways: a point's x alone, RSA's numbers (some lack
    the zero that keeps them positive)."""
    _, at, _ = element(spki, 0)
    _, _, at = element(spki, at)
    _, start, end = element(spki, at)
    key = spki[start + 1:end]
    if key_algorithm(spki) in (RSA, OLD_RSA):
        _, at, end = element(key, 0)
        numbers = []
        while at < end:
            _, first, at = element(key, at)
            numbers.append(int.from_bytes(key[first:at], "big"))
        return numbers
    if key[0] == 4 and key_algorithm(spki) == EC:
        return key[1:1 + len(key) // 2]
    return key[1:] if key[0] in (2, 3) and key_algorithm(spki) == EC else key


RSA, OLD_RSA, EC = "2a864886f70d010101", "55080101", "2a8648ce3d0201"

RULES = {
    "unknown-key": "openssl cannot load the key (an algorithm, curve or parameters that it does not "
                   "know), so that it gives no SubjectPublicKeyInfo; the raw bytes hash all the same",
    "refused-fields": "openssl refuses the certificate for what stands in other fields (version, "
                      "serial, names, times, extensions); the walk to the key is not concerned",
    "bad-utf8": "openssl refuses a name for a UTF8String that is none; to us a name is bytes",
    "re-encoded": "openssl writes the key anew: RSA gets its NULL parameters, newer name and "
                  "positive numbers, points another form; clients hash the raw bytes (RFC 7469 section 2.4)",
    "left-the-stores": "testssl.sh's table of pins has it, but no certificate of that subject is in any "
                       "of its stores any more",
}
COUNTS = {}


def openssl_pin(der):
    """The pin of the key as openssl writes it, or (None, why not)."""
    run = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-pubkey"], input=der,
                         capture_output=True, check=False)
    match = re.search(rb"-----BEGIN PUBLIC KEY-----(.*?)-----END", run.stdout, re.S)
    if run.returncode == 0 and match:
        return base64.b64decode(match.group(1)), ""
    return None, run.stderr.decode(errors="replace")


def openssl_reads(der):
    """Whether it takes the certificate at all, key or not."""
    return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=der,
                          capture_output=True, check=False).returncode == 0


def use(rule):
    used_rules.add(rule)
    COUNTS[rule] = COUNTS.get(rule, 0) + 1


def compare_with_openssl(name, der, spki, strict):
    theirs, why = openssl_pin(der)
    if theirs == spki:
        return
    if theirs is not None:
        # the same key, written otherwise: same algorithm (but for its old name), same key
        use("re-encoded")
        same = {OLD_RSA: RSA}.get(key_algorithm(spki), key_algorithm(spki))
        check(same == key_algorithm(theirs) and key_point(theirs) == key_point(spki),
              f"{name}: openssl has another key")
        return
    if openssl_reads(der):
        use("unknown-key")
    elif not strict:
        use("refused-fields")
    elif any(has_bad_utf8(tbs_fields(der)[i][1]) for i in (2, 4)):
        use("bad-utf8")
    else:
        check(False, f"{name}: openssl refuses it, and no rule says why: {why[:300]}")


# --- pinsweep ---

def hashes(paths, *options):
    """{file: [record]} and the exit code."""
    run = subprocess.run([PINSWEEP, "hash", "--output", "ndjson", "--fingerprint", *options, "--",
                          *paths], capture_output=True, check=False)
    records = {}
    for line in run.stdout.splitlines():
        record = json.loads(line)
        records.setdefault(record["file"], []).append(record)
    return records, run


def compare_folder(label, folder):
    """Every file of a folder: what our walk finds must be what pinsweep finds, no more, no less."""
    records, run = hashes([folder])
    check(run.returncode == 0, f"{label}: exit code {run.returncode}: {run.stderr[-300:]}")
    count = odd = 0
    for path in sorted(glob.glob(folder + "/**/*", recursive=True)):
        if not os.path.isfile(path) or path.endswith((".p7b", ".p7c", ".p7s", ".csv", ".json")):
            continue
        with open(path, "rb") as file:
            data = file.read()
        expected = []
        try:
            for der in certificates(data):
                try:
                    expected.append((der, raw_spki(der)))
                except (ValueError, IndexError):
                    odd += 1
        except (ValueError, IndexError):
            odd += 1  # not base64: pinsweep must have complained
        found = records.pop(path, [])
        same = [pin_of(spki) for _, spki in expected] == [r["spki_sha256"] for r in found]
        check(same, f"{path}: {len(expected)} keys expected, {len(found)} found, or other ones")
        if not same:
            continue
        for (der, spki), record in zip(expected, found):
            count += 1
            check(record["cert_sha256"] == hashlib.sha256(der).hexdigest(), f"{path}: fingerprint")
            compare_with_openssl(path, der, spki, record["strict"])
    check(count > 0, f"{label}: no certificate compared")
    print(f"{label}: {count} certificates compared, {odd} hold no certificate in DER")


def compare_store():
    records, run = hashes([STORE])
    check(run.returncode == 0, f"store: exit code {run.returncode}")
    with open(STORE, "rb") as file:
        ders = list(certificates(file.read()))
    check([pin_of(raw_spki(der)) for der in ders] == [r["spki_sha256"] for r in records[STORE]],
          "store: other pins than expected")
    for der in ders:
        theirs, why = openssl_pin(der)
        check(theirs == raw_spki(der), f"store: openssl differs: {why[:200]}")


def subjects_of(store):
    """Of a bundle, as openssl prints them."""
    bundle = subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", store],
                            capture_output=True, check=True).stdout
    names = subprocess.run(["openssl", "pkcs7", "-print_certs", "-noout"], input=bundle,
                           capture_output=True, check=True).stdout
    return {line for line in names.decode(errors="replace").splitlines()
            if line.startswith("subject=")}


def compare_testssl():
    """ca_hashes.txt was made with `openssl x509 | openssl pkey -outform DER | sha256` from the stores
    beside it, with openssl's subject line behind each pin. It keeps what has left the stores since."""
    stores = sorted(glob.glob(TESTSSL + "/*.pem"))
    table = TESTSSL + "/ca_hashes.txt"
    if not stores or not os.path.exists(table):
        skipped.append("testssl.sh is not installed")
        return
    with open(table, encoding="utf-8", errors="replace") as file:
        known = dict(line.rstrip("\n").split(" ", 1) for line in file
                     if re.match(r"[A-Za-z0-9+/]{43}= subject=", line))
    records, run = hashes(stores)
    found = {r["spki_sha256"] for store in records.values() for r in store}
    check(run.returncode == 0 and len(known) > 300, f"testssl: {len(known)} pins, {run.stderr[-200:]}")
    subjects = set().union(*(subjects_of(store) for store in stores))
    for pin, subject in known.items():
        if pin in found:
            check(subject in subjects, f"testssl: {pin} is found, but nobody is called {subject}")
        elif subject not in subjects:
            use("left-the-stores")
        else:
            check(False, f"testssl: {pin} is not found, and no rule says why: {subject}")
    print(f"testssl.sh: {len(set(known) & found)} of its {len(known)} pins found in its stores "
          f"({len(found - set(known))} certificates are newer than the table)")


# --- the records and the files they go to ---

def check_records(work):
    """Every record of the stores and the vectors is as data/hash.schema.json says, whatever asked for."""
    here = os.path.dirname(os.path.abspath(__file__))
    inputs = [path for path in (STORE, VECTORS) if os.path.exists(path)]
    policy = f"{work}/policy.yaml"
    records, _ = hashes([STORE])
    pin = records[STORE][0]["spki_sha256"]
    with open(policy, "w", encoding="ascii") as file:
        file.write("version: 1\npin_sets:\n  - name: \"a \\\"name\\\"\"\n    hosts: [a.example]\n"
                   f"    client: custom\n    scope: path\n    pins: [{{pin: \"sha256/{pin}\"}}]\n")
    for options in ([], ["--fingerprint"], ["--match", policy]):
        path = f"{work}/records.ndjson"
        run = subprocess.run([PINSWEEP, "hash", "-q", "--output", "ndjson", "--overwrite", "-o", path,
                              *options, *inputs], capture_output=True, check=False)
        check(run.returncode == 0, f"records: {options}: {run.stderr[-300:]}")
        run = subprocess.run([f"{here}/../support/validate.py", f"{here}/../../data/hash.schema.json",
                              path], capture_output=True, check=False)
        check(run.returncode == 0, f"records: {options}: {run.stdout[-500:]}{run.stderr[-500:]}")
        with open(path, encoding="utf-8") as file:
            matched = [json.loads(line)["pin_sets"] for line in file if "pin_sets\":[\"" in line]
        good = matched and all(sets == ['a "name"'] for sets in matched)
        check(good if "--match" in options else not matched, f"records: {options}: {matched[:3]}")


def check_append(work):
    """CSV that is appended to keeps its one header line."""
    path = f"{work}/appended.csv"
    for option in "--overwrite", "--append", "--append":
        subprocess.run([PINSWEEP, "hash", "-q", "--output", "csv", option, "-o", path, STORE],
                       check=True)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with open(STORE, "rb") as file:
        count = len(BEGIN.findall(file.read()))
    check(len(rows) == 3 * count + 1, f"append: {len(rows)} rows of {count} certificates thrice")
    check([row[0] for row in rows].count("file") == 1 and rows[0][0] == "file", "append: headers")
    check({len(row) for row in rows} == {12}, "append: columns")


# --- PKCS#7, made by openssl ---

def compare_pkcs7(work):
    with open(STORE, "rb") as file:
        expected = sorted(pin_of(raw_spki(der)) for der in certificates(file.read()))
    for form in "DER", "PEM":
        path = f"{work}/bundle.{form}"
        subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", STORE, "-outform", form,
                        "-out", path], check=True)
        records, _ = hashes([path])
        check(sorted(r["spki_sha256"] for r in records.get(path, [])) == expected, f"PKCS#7 {form}")


# --- sources ---

def fetch_source(work, package):
    """The unpacked source of a package, or None with a reason in `skipped`."""
    lists, folder = f"{work}/apt", f"{work}/{package}"
    os.makedirs(folder)
    os.makedirs(lists + "/lists/partial", exist_ok=True)
    os.makedirs(lists + "/archives/partial", exist_ok=True)
    with open(lists + "/sources.list", "w", encoding="ascii") as file:
        file.write("deb-src http://deb.debian.org/debian bookworm main\n")
    options = ["-o", f"Dir::Etc::SourceList={lists}/sources.list", "-o", "Dir::Etc::SourceParts=-",
               "-o", f"Dir::State::Lists={lists}/lists", "-o", f"Dir::Cache={lists}",
               "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=1",
               "-o", "Acquire::http::Timeout=20"]
    try:
        for command in (["update"], ["source", "--download-only", package]):
            subprocess.run(["apt-get", *options, "-qq", *command], cwd=folder, check=True,
                           timeout=150, capture_output=True)
        for archive in glob.glob(folder + "/*.tar.*"):
            if not archive.endswith((".asc", ".sig")) and "debian" not in archive:
                subprocess.run(["tar", "-xf", archive, "-C", folder], check=True, timeout=60)
    except (subprocess.SubprocessError, OSError) as error:
        skipped.append(f"the source of {package} cannot be fetched here "
                       f"({type(error).__name__})")
        return None
    return folder


def compare_source(work, package, pattern):
    folder = fetch_source(work, package)
    if folder is None:
        return
    folders = glob.glob(folder + pattern)
    check(len(folders) == 1, f"{package}: {pattern} is not there")
    for found in folders:
        compare_folder(package, found)


def main():
    with tempfile.TemporaryDirectory() as work:
        compare_store()
        check_records(work)
        check_append(work)
        compare_pkcs7(work)
        compare_testssl()
        if os.path.isdir(VECTORS):
            compare_folder("cryptography-vectors", VECTORS)
        else:
            skipped.append("python3-cryptography-vectors is not installed")
        compare_source(work, "openssl", "/openssl-*/test/certs")
        compare_source(work, "gnutls28", "/gnutls*/tests/cert-tests/data")
    if not skipped:
        check(used_rules == set(RULES), f"rules that nothing needs: {set(RULES) - used_rules}")
    for rule in sorted(used_rules):
        print(f"rule {rule}, {COUNTS[rule]} times: {RULES[rule]}")
    for reason in skipped:
        print("skipped hash:", reason)
    print(f"integration hash: {passed} passed, {failed} failed, {len(skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
