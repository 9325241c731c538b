"""Run by policies.sh: what no client would read, large, and what clients would misread."""
import base64
import hashlib
import os
import resource
import subprocess

from peers import Suite

SIZE = 100_000_000
PIECE = 1 << 20
MEMORY_MAX = 1200 << 20  # bytes: the file and a tree of it at its bound
CPU_MAX_S = 60           # it takes under 3; a sanitizer's build ten times that
PIN = "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
PIN_2 = "mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c="
HEX = base64.b64decode(PIN).hex()
ANDROID = "<network-security-config>"

# name: head, what is repeated, tail, a part of the complaint ("name:LINE" stands before it)
LARGE = {
    "deep.xml": (ANDROID, "<domain-config>", "", "1: XML: elements nested too deeply"),
    "elements.xml": (ANDROID, "<a/>", "</network-security-config>", "1: XML: too many elements"),
    "text.xml": (ANDROID, "x", "</network-security-config>", "1: there is no pin-set"),
    "entities.xml": ('<!DOCTYPE z [<!ENTITY a "aaaaaaaa">]>' + ANDROID, "&a;",
                     "</network-security-config>", "1: XML: a document type with declarations"),
    "deep.plist": ("<plist><dict><key>a</key>", "<array>", "", "1: XML: elements nested"),
    "line.okhttp": ("a.example", " sha256/{pin}", "\n", "1: a.example: more than 4096 pins"),
    "line.curl": ("a.example sha256//{fixed}", ";sha256//{pin}", "\n",
                  "1: a.example: more than 4096 pins"),
    "line.hpkp": ("a.example Public-Key-Pins: max-age=1", '; pin-sha256="{pin}"', "\n",
                  "1: a.example: more than 4096 pins"),
    "open.zone": ("_443._tcp.a.example. IN TLSA 3 1 1 (", "ab ", "",
                  "1: a record of more words than it may have bytes"),
    "quote.csv": ('host,pin\n"', "x", "", "2: a quote that is not closed"),
    "set.csv": ("host,pin\n", "a.example,sha256/{pin}\n", "", "8194: a.example: sha256/"),
    "deep.yaml": ("version: 1\npin_sets: ", "[", "", "2:42: yaml: nested deeper than 32 levels"),
    "nodes.yaml": ("pin_sets: [", "[],", "]\n", "1:12582915: yaml: more keys and values"),
    "scalar.yaml": ("version: 1\npin_sets: ", "x", "", "2:11: pin_sets: wants a list"),
    "list.envoy": ("sni: a.example\nverify_certificate_spki:\n", "- {pin}\n", "",
                   "1: a.example: more than 4096 pins"),
    "values.json": ('{"pinsets": [', "0,", "0]}", "1: JSON: more values than any list of pins"),
    "deep.json": ('{"pinsets": ', "[", "", "1: JSON: nested deeper than 32 levels"),
    "comment.json": ('{"pinsets": [] /*', "x", "", "1: JSON: a comment that is not closed"),
}

# A whole policy with one pin, {}, and the line that it stands on.
FORMATS = {
    "n.xml": (ANDROID + "<domain-config><domain>a.example</domain>\n<pin-set>\n"
              "<pin digest=\"SHA-256\">{}</pin></pin-set></domain-config>"
              "</network-security-config>", 3),
    "apple.plist": ("<plist><dict><key>NSAppTransportSecurity</key><dict>"
                    "<key>NSPinnedDomains</key><dict>\n<key>a.example</key><dict>"
                    "<key>NSPinnedCAIdentities</key><array><dict><key>SPKI-SHA256-BASE64</key>\n"
                    "<string>{}</string></dict></array></dict></dict></dict></dict></plist>", 3),
    "trustkit.plist": ("<plist><dict><key>TSKPinnedDomains</key><dict><key>a.example</key><dict>"
                       "<key>TSKPublicKeyHashes</key><array>\n<string>{}</string>\n<string>" + PIN_2
                       + "</string></array></dict></dict></dict></plist>", 2),
    "pins.okhttp": ("# pins\na.example sha256/{}\n", 2),
    "pins.curl": ("# pins\na.example sha256//{}\n", 2),
    "pins.hpkp": ("# pins\na.example Public-Key-Pins: pin-sha256=\"{}\"; pin-sha256=\"" + PIN_2
                  + "\"; max-age=1\n", 2),
    "pins.csv": ("host,alg,pin\na.example,sha256,{}\n", 2),
    "native.yaml": ("version: 1\npin_sets:\n- name: a\n  hosts: [a.example]\n  pins:\n"
                    "  - \"sha256/{}\"\n", 6),
    "envoy.yaml": ("sni: a.example\nverify_certificate_spki:\n- \"{}\"\n", 3),
    "keys.pins": ("Key\nsha256/{}\n", 2),
}
SLIPS = {
    HEX: "this is hexadecimal",
    PIN.replace("+", "-"): "this is URL-safe base64: write '+' for '-'",
    PIN[:-1]: "the padding is missing: append \"=\"",
    "A" * 43 + "=": "a placeholder",
    "B" * 43 + "=": "a placeholder",
    PIN[:20] + " " + PIN[20:]: None,  # each format says it in its own way
    "": None,
    "+BZRPP0bRJ8uayihlyIfuB9RTjw=": "20 bytes, but SHA-256 has 32",
}
TWICE = {
    "n.xml": ANDROID + "<domain-config><domain>a.example</domain><pin-set><pin digest=\"SHA-256\">"
             + PIN + "</pin></pin-set></domain-config>\n<domain-config><domain>A.example</domain>"
             "</domain-config></network-security-config>",
    "apple.plist": "<plist><dict><key>NSAppTransportSecurity</key><dict><key>NSPinnedDomains</key>"
                   "<dict>" + "\n".join(
                       "<key>" + name + "</key><dict><key>NSPinnedLeafIdentities</key><array><dict>"
                       "<key>SPKI-SHA256-BASE64</key><string>" + PIN + "</string></dict></array>"
                       "</dict>" for name in ("a.example", "A.example"))
                   + "</dict></dict></dict></plist>",
    "pins.curl": f"a.example sha256//{PIN}\nA.example sha256//{PIN_2}\n",
    "pins.hpkp": 2 * (f'a.example Public-Key-Pins: pin-sha256="{PIN}"; pin-sha256="{PIN_2}"; '
                      "max-age=1\n"),
}
EXTERNAL = ('<!DOCTYPE z SYSTEM "file:///etc/passwd">\n' + ANDROID + "&z;</network-security-config>",
            '<!DOCTYPE z [<!ENTITY z SYSTEM "file:///etc/passwd">]>\n' + ANDROID
            + "&z;</network-security-config>",
            '<!DOCTYPE z [<!ENTITY % z SYSTEM "http://127.0.0.1:1/z"> %z;]>\n' + ANDROID
            + "</network-security-config>")
FORCED = {"okhttp": "okhttp", "curl": "curl", "hpkp": "hpkp", "zone": "tlsa", "envoy": "envoy",
          "json": "chromium"}


class Pins:
    """Pins that differ, in pieces of about PIECE bytes."""

    def __init__(self):
        self.made = [base64.b64encode(hashlib.sha256(b"%d" % i).digest()).decode()
                     for i in range(8192)]

    def piece(self, unit):
        if "{pin}" not in unit:
            return (unit * (PIECE // len(unit))).encode()
        return "".join(unit.replace("{pin}", pin) for pin in self.made).encode()


def write_large(path, pins, head, unit, tail):
    piece = pins.piece(unit)
    with open(path, "wb") as file:
        file.write(head.replace("{fixed}", PIN).encode())
        for _ in range(SIZE // len(piece)):
            file.write(piece)
        file.write(tail.encode())


def run(suite, program, *paths):
    """Exit code, standard error, user and system seconds, peak bytes."""
    arguments = [program, "sweep", "--dry-run", "-q", "-f", str(suite.work / "hosts")]
    for path in paths:
        arguments += ["--policy", str(path)]
    ending = str(paths[0]).rsplit(".", 1)[1]
    if ending in FORCED:
        arguments += ["--policy-format", FORCED[ending]]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU,
                                                                     (CPU_MAX_S, CPU_MAX_S)))
    error = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, error, usage.ru_maxrss * 1024


def check_told(suite, what, code, error, path, line):
    suite.equal(what + ": exit code", code, 2)
    suite.check(what + ": file and line", error.startswith(f"pinsweep: {path}:{line}:"), error)


def check_large(suite):
    program = os.environ.get("PINSWEEP_RELEASE", suite.pinsweep)
    pins = Pins()
    (suite.work / "keys.pins").write_text("K1\nsha256/" + PIN + "\n")
    for name, (head, unit, tail, complaint) in LARGE.items():
        path = suite.work / name
        write_large(path, pins, head, unit, tail)
        keys = [suite.work / "keys.pins"] if name.endswith(".json") else []
        code, error, peak = run(suite, program, path, *keys)
        suite.equal(name + ": exit code", code, 2)
        suite.check(name + ": complaint", error.startswith(f"pinsweep: {path}:{complaint}"), error)
        suite.check(name + ": memory", peak < MEMORY_MAX, f"{peak >> 20} MB")
        path.unlink()


def check_slips(suite):
    for name, (policy, line) in FORMATS.items():
        path = suite.work / name
        for slip, complaint in SLIPS.items():
            path.write_text(policy.replace("{}", slip))
            others = []
            if name == "keys.pins":
                (suite.work / "keys.json").write_text('{"pinsets": [], "entries": []}')
                others = [suite.work / "keys.json"]
            code, error, _ = run(suite, suite.pinsweep, *(others + [path]))
            what = f"{name}, pin {slip!r}"
            check_told(suite, what, code, error, path, line)
            suite.check(what + ": complaint", complaint is None or complaint in error, error)


def check_others(suite):
    for name, policy in TWICE.items():
        path = suite.work / name
        path.write_text(policy)
        code, error, _ = run(suite, suite.pinsweep, path)
        check_told(suite, name + " with a domain twice", code, error, path, 2)
        suite.check(name + " with a domain twice: said so", "already there" in error, error)
    for i, policy in enumerate(EXTERNAL):
        path = suite.work / "external.xml"
        path.write_text(policy)
        code, error, _ = run(suite, suite.pinsweep, path)
        suite.equal(f"external entity {i}: exit code", code, 2)
        suite.check(f"external entity {i}: told", error.startswith(f"pinsweep: {path}:"), error)
        suite.check(f"external entity {i}: not read", "root:" not in error, error)


def main():
    with Suite("policies") as suite:
        (suite.work / "hosts").write_text("127.0.0.1:1\n")
        check_slips(suite)
        check_others(suite)
        check_large(suite)


if __name__ == "__main__":
    main()
