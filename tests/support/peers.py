"""What the integration tests with real servers share: a suite that counts, a folder and processes
that go away with it, certificates minted by the openssl program, and sweeps whose every output is
held against the schemas and against openssl (oracle.py) at the end.

Servers listen on random addresses of 127.0.0.0/8 (or ::1) and free ports, so that runs do not meet.
"""
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import oracle

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS = 30  # for a server to listen: machines under test are busy
SWEEP_SECONDS = 120

OPENSSL_CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
[encipher]
basicConstraints = critical, CA:false
keyUsage = critical, keyEncipherment
extendedKeyUsage = serverAuth
"""

KEYS = {
    "p256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p521": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "rsa2048": ["-newkey", "rsa:2048"],
    "rsa3072": ["-newkey", "rsa:3072"],
    "rsa4096": ["-newkey", "rsa:4096"],
    "rsa-pss": ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["-newkey", "ed25519"],
    "ed448": ["-newkey", "ed448"],
}


def find_program(variable, name, trees=("build-test", "build-release", "build")):
    """The path in the environment (tests/run sets it), else the first that was built."""
    if variable in os.environ:
        return os.environ[variable]
    for tree in trees:
        if (ROOT / tree / name).exists():
            return str(ROOT / tree / name)
    sys.exit(f"{name} is not built, and ${variable} is not set")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def end_on_signal(*_):
    # timeout(1) tells its child and then the whole group: the second must not stop the tidying.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def listening():
    """(port, "tcp" or "udp") of every socket that takes what comes. Asking the kernel spends no
    connection of servers that serve a counted number."""
    out = set()
    for protocol, state in ("tcp", "0A"), ("udp", "07"):
        for file in "/proc/net/" + protocol, "/proc/net/" + protocol + "6":
            if not os.path.exists(file):
                continue
            with open(file, encoding="ascii") as table:
                for row in list(table)[1:]:
                    fields = row.split()
                    if fields[3] == state:
                        out.add((int(fields[1].rsplit(":", 1)[1], 16), protocol))
    return out


class Certificate:
    def __init__(self, file, key, issuer):
        self.file, self.key, self.issuer = str(file), str(key), issuer
        self.pem = pathlib.Path(file).read_text(encoding="ascii")
        self._digests = None

    def _both(self):
        if self._digests is None:
            self._digests = oracle.digests(self.pem)
        return self._digests

    @property
    def sha256(self):
        return self._both()[0]

    @property
    def spki(self):
        return self._both()[1]

    @property
    def pin(self):
        return "sha256/" + self.spki


class Suite:
    def __init__(self, name):
        self.name = name
        self.passed = self.failed = 0
        self.pinsweep = find_program("PINSWEEP", "pinsweep")
        self.fleetsim = find_program("FLEETSIM", "fleetsim",
                                     ("build-release", "build-test", "build"))
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="pinsweep-" + name + "-"))
        self.processes = []
        self.outputs = {"verdict": [], "chain": [], "metadata": []}
        self.sweeps = []  # for the oracle: (records, chains file, trust files, date)
        self.network = f"127.{random.randint(10, 250)}.{random.randint(1, 250)}"
        self.address_count = 0
        (self.work / "openssl.cnf").write_text(OPENSSL_CONFIG, encoding="ascii")
        signal.signal(signal.SIGTERM, end_on_signal)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        try:
            if kind is None:
                self.hold_outputs()
            elif kind is not SystemExit or value.code != 0:
                import traceback as printer
                printer.print_exception(kind, value, traceback, file=sys.stdout)
                self.failed += 1
        finally:
            for process in self.processes:
                process.kill()
            for process in self.processes:
                process.wait()
            shutil.rmtree(self.work, ignore_errors=True)
        print(f"integration {self.name}: {self.passed} passed, {self.failed} failed")
        sys.stdout.flush()
        os._exit(1 if self.failed else 0)

    # --- checks ---

    def check(self, what, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED  {self.name}: {what}: {str(detail)[:1500]}", flush=True)
        return good

    def equal(self, what, got, expected):
        return self.check(what, got == expected, f"got {got!r}, expected {expected!r}")

    def fields(self, what, got, **expected):
        """The named fields of a record or view, in one check. A set means any of its members."""
        wrong = {}
        for name, value in expected.items():
            ok = got[name] in value if isinstance(value, set) else got[name] == value
            if not ok:
                wrong[name] = (got[name], value)
        note = {k: got[k] for k in ("status", "error", "verdict") if k in got}
        return self.check(what, not wrong, f"(got, expected): {wrong}; {note}")

    # --- places and processes ---

    def address(self):
        self.address_count += 1
        return f"{self.network}.{self.address_count}"

    def free_port(self, address="127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind((address, 0))
            return probe.getsockname()[1]

    def start(self, arguments, ports, **options):
        """A server, once it listens on all `ports` ((port, protocol) or port); None if it ended."""
        wanted = {port if isinstance(port, tuple) else (port, "tcp") for port in ports}
        log = open(self.work / f"server{len(self.processes)}.log", "wb")
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(arguments, stdout=log, stderr=log, preexec_fn=die_with_parent,
                                   **options)
        process.log = log.name
        log.close()
        self.processes.append(process)
        end = time.monotonic() + START_SECONDS
        while not wanted <= listening():
            if process.poll() is not None or time.monotonic() > end:
                text = pathlib.Path(process.log).read_text(errors="replace")
                self.check("starts: " + " ".join(arguments)[:300], False, text[-1000:])
                return None
            time.sleep(0.02)
        return process

    def stop(self, process):
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start_fleet(self, *options):
        """fleetsim; its ports in the order of the options."""
        read_end, write_end = os.pipe()
        log = open(self.work / f"fleet{len(self.processes)}.log", "wb")
        process = subprocess.Popen(
            [self.fleetsim, "--ready-fd", str(write_end), "--exit-with-parent", *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[write_end])
        log.close()
        os.close(write_end)
        self.processes.append(process)
        with os.fdopen(read_end) as ready:
            words = ready.readline().split()
        if not words or words[0] != "ready":
            raise RuntimeError("fleetsim: " + pathlib.Path(log.name).read_text(errors="replace"))
        return [int(word) for word in words[1:]]

    # --- certificates ---

    def mint(self, name, issuer=None, key="p256", ca=False, names=(), days=90,
             extensions=None):
        """A certificate below `issuer` (None: self-signed). `key`: a word of KEYS or the file of a
        key that is there. `extensions`: a section of OPENSSL_CONFIG."""
        file, key_file = self.work / (name + ".pem"), self.work / (name + ".key")
        arguments = ["openssl", "req", "-x509", "-config", str(self.work / "openssl.cnf"), "-nodes",
                     "-subj", "/O=Pinsweep Test/CN=" + name, "-days", str(days),
                     "-extensions", extensions or ("ca" if ca else "leaf"), "-out", str(file)]
        if key in KEYS:
            arguments += KEYS[key] + ["-keyout", str(key_file)]
        else:
            key_file = key
            arguments += ["-key", str(key)]
        if issuer is not None:
            arguments += ["-CA", issuer.file, "-CAkey", issuer.key]
        if names:
            arguments += ["-addext", "subjectAltName=" + ",".join(
                ("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:") + n for n in names)]
        subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=120)
        return Certificate(file, key_file, issuer)

    def bundle(self, name, *certificates):
        file = self.work / name
        file.write_text("".join(c.pem for c in certificates), encoding="ascii")
        return str(file)

    # --- sweeps ---

    def policy(self, *pin_sets):
        """A policy file: JSON is YAML. Each pin set (name, hosts, pins, more keys)."""
        out = []
        for name, hosts, pins, more in pin_sets:
            out.append({"name": name, "hosts": hosts,
                        "pins": [{"pin": p} if isinstance(p, str) else p for p in pins], **more})
        file = self.work / f"policy{len(os.listdir(self.work))}.yaml"
        file.write_text(json.dumps({"version": 1, "pin_sets": out}, indent=1), encoding="utf-8")
        return str(file)

    def sweep(self, lines, *arguments, policy=None, trust=None, at=None, code=0,
              seconds=SWEEP_SECONDS, records=None):
        """The records in the order of the inventory, which is objects or lines of text. `code`: the
        exit code that is due (None: any). `records`: how many are due, if not one a line. Its
        stderr is in self.stderr, its metadata in self.metadata, its seconds in self.took."""
        number = len(self.sweeps)
        place = self.work / f"sweep{number}"
        place.mkdir()
        (place / "inventory").write_text(
            "".join((l if isinstance(l, str) else json.dumps(l)) + "\n" for l in lines),
            encoding="utf-8")
        files = {name: str(place / name) for name in self.outputs}
        command = [self.pinsweep, "sweep", "-q", "-f", str(place / "inventory"), "-o",
                   files["verdict"], "--chains-out", files["chain"], "--chains-pem",
                   "--metadata-file", files["metadata"], *arguments]
        for option, value in ("--policy", policy), ("--cacert", trust), ("--at", at):
            if value is not None:
                command += [option, value]
        begin = time.monotonic()
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                timeout=seconds, preexec_fn=die_with_parent)
        self.took = time.monotonic() - begin
        self.stderr = result.stderr.decode("utf-8", "replace")
        if code is not None and result.returncode != code:
            self.check(f"exit code of sweep {number}", False,
                       f"{result.returncode}, expected {code}; {self.stderr[-1200:]}")
        with open(files["verdict"], encoding="utf-8") as stream:
            out = sorted((json.loads(line) for line in stream), key=lambda r: r["line"])
        for name, file in files.items():
            self.outputs[name].append(file)
        with open(files["metadata"], encoding="utf-8") as stream:
            self.metadata = json.load(stream)
        self.sweeps.append((out, files["chain"], trust, at))
        due = len(lines) if records is None else records
        if len(out) != due:
            raise RuntimeError(f"{len(out)} records of {due}; {self.stderr[-1200:]}")
        return out

    def hold_outputs(self):
        for name, files in self.outputs.items():
            if files:
                result = subprocess.run(
                    [str(ROOT / "tests/support/validate.py"),
                     str(ROOT / f"data/{name}.schema.json"), *files], capture_output=True, text=True, timeout=300)
                self.check(f"every {name} record keeps the contract", result.returncode == 0,
                           result.stderr)
        judge = oracle.Oracle(self.work)
        for records, chains, trust, at in self.sweeps:
            judge.add(records, chains, trust, at)
        for what, wrong, count in judge.run():
            self.check(f"{what} ({count})", not wrong, "; ".join(wrong[:5]))
            print(f"openssl agrees: {what}: {count - len(wrong)} of {count}")


def only(record):
    """The one view of a record."""
    (view,) = record["views"]
    return view
