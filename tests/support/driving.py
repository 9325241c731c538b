"""What the integration scripts in Python share: the fleet, the program under test, counted checks.

A script makes one Checks, calls it with a name and whether it holds, and ends with its finish(),
which prints the line that tests/run adds up."""
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import validate  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PINSWEEP = os.environ.get("PINSWEEP") or os.path.join(ROOT, "build", "pinsweep")
FLEETSIM = os.environ.get("FLEETSIM") or os.path.join(os.path.dirname(PINSWEEP), "fleetsim")
# Under a loaded machine and sanitizers all is slow; what hangs, hangs longer than this.
HANG_SECONDS = 120
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "CHECK failed")


class Checks:
    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0

    def __call__(self, what, good, *details):
        if good:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED  {self.name}: {what}")
        for detail in details:
            print("        " + str(detail)[:2000].replace("\n", "\n        "))
        sys.stdout.flush()

    def same(self, what, got, expected, *details):
        self(what, got == expected, f"got      {got!r}", f"expected {expected!r}", *details)

    def skip(self, what, why):
        self.skipped += 1
        print(f"skipped  {self.name}: {what}: {why}")

    def part(self, function, *arguments):
        """A part that ends early (a hang, an unexpected answer) is a failure, not the end of all."""
        try:
            function(*arguments)
        except Exception:  # pylint: disable=broad-except
            self(function.__name__, False, traceback.format_exc())

    def finish(self):
        tail = f", {self.skipped} skipped" if self.skipped else ""
        print(f"integration {self.name}: {self.passed} passed, {self.failed} failed{tail}")
        sys.exit(1 if self.failed or not self.passed else 0)


class Fleet:
    """fleetsim, ready; `ports` in the order of its options."""

    def __init__(self, folder, *options):
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            [FLEETSIM, "--exit-with-parent", "--ready-fd", str(writer), *options],
            pass_fds=[writer], stdout=subprocess.DEVNULL, cwd=folder)
        os.close(writer)
        with open(reader, encoding="ascii") as ready:
            words = ready.readline().split()
        if not words or words[0] != "ready":
            raise RuntimeError(f"fleetsim did not get ready: {words}")
        self.ports = [int(word) for word in words[1:]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


class Result:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def records(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def text(self):
        return self.err.decode("utf-8", "replace")

    def is_clean(self):
        return not any(word in self.text for word in SANITIZER_WORDS) and self.code >= 0


def as_started_by_hand(limits=()):
    """For the child: shells start background jobs with SIGINT ignored, Python ignores SIGPIPE."""
    def prepare():
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ:
            signal.signal(number, signal.SIG_DFL)
        for limit, value in limits:
            resource.setrlimit(limit, (value, value))
    return prepare


def start(*arguments, limits=(), **popen):
    """The program, not waited for."""
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([PINSWEEP, *map(str, arguments)], preexec_fn=as_started_by_hand(limits), **popen)


def finish(process, begun=None, text=None):
    """Waits; a hang is an error after the process was ended."""
    begun = begun or time.monotonic()
    try:
        out, err = process.communicate(text, timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise RuntimeError(f"hangs; standard error so far: {err!r}") from None
    return Result(process.returncode, out or b"", err or b"", time.monotonic() - begun)


def run(*arguments, text=None, **popen):
    begun = time.monotonic()
    if text is not None:
        popen["stdin"] = subprocess.PIPE
        text = text.encode() if isinstance(text, str) else text
    return finish(start(*arguments, **popen), begun, text)


def wait_until(condition, seconds=60):
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def complaints(schema, text):
    """What validate.py says against NDJSON."""
    validator = validate.load_schema(os.path.join(ROOT, "data", schema + ".schema.json"))
    lines = text.split(b"\n")
    found = [] if lines[-1] == b"" else ["the last line has no newline at its end"]
    for number, line in enumerate(lines[:-1], 1):
        found += [f"{number}: {place}: {reason}" for place, reason in validate.complaints_of_line(line, validator)]
    return found


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="pinsweep-test-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# --- plain sockets ---

class Server:
    """A listener on 127.0.0.1 whose `serve(connection)` runs in a thread for each connection."""

    def __init__(self, serve, backlog=1024):
        self.accepted = 0
        self.open = self.most_open = 0
        self.serve = serve
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                self.open += 1
                self.most_open = max(self.most_open, self.open)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with contextlib.suppress(OSError):
                self.serve(connection)
        finally:
            with self.lock:  # before the close: the client cannot have known earlier
                self.open -= 1
            connection.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def hello_of(connection):
    """The ClientHello's record, whole."""
    got = b""
    while len(got) < 5 or len(got) < 5 + int.from_bytes(got[3:5], "big"):
        part = connection.recv(4096)
        if not part:
            break
        got += part
    return got


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_to_end(connection):
    while connection.recv(65536):
        pass


def free_port():
    """Nobody listens there: taken and given back."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Blackhole:
    """Connections to it are neither taken nor refused: its queue is full."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)
        time.sleep(0.2)

    def close(self):
        for filler in [*self.fillers, self.listener]:
            filler.close()
