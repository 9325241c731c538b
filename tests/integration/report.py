"""Run by report.sh: the demo fleet's sweep as a page, looked at by a browser."""
import os
import re
import struct
import subprocess
import zlib
from html.parser import HTMLParser

from peers import Suite

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}
SELF_CLOSED = {"rect", "line"}


class Checker(HTMLParser):
    """Elements nest; nothing refers outside; no scripts."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.rows, self.ids = [], [], 0, 0

    def handle_starttag(self, tag, attrs):
        if tag not in VOID | SELF_CLOSED or (tag in SELF_CLOSED and self.get_starttag_text()[-2] != "/"):
            self.open.append(tag)
        self.rows += tag == "tr"
        if tag == "script" or any(name.startswith("on") for name, _ in attrs):
            self.wrong.append("a script: " + self.get_starttag_text())
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action") and value != "data:,":
                self.wrong.append(f"{name}={value}")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


def pixels(file):
    """Width, height and the raw samples of a PNG of 8-bit RGB or RGBA."""
    data = file.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, idat, header = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        idat += body if kind == b"IDAT" else b""
        at += 12 + size
    width, height, depth, colour = header[:4]
    assert depth == 8 and colour in (2, 6)
    step = 3 if colour == 2 else 4
    raw, rows, previous = zlib.decompress(idat), [], bytearray(width * step)
    for y in range(height):
        start = y * (width * step + 1)
        kind, row = raw[start], bytearray(raw[start + 1:start + 1 + width * step])
        for x in range(len(row) if kind else 0):
            left = row[x - step] if x >= step else 0
            up, corner = previous[x], previous[x - step] if x >= step else 0
            if kind == 1:
                row[x] = (row[x] + left) & 255
            elif kind == 2:
                row[x] = (row[x] + up) & 255
            elif kind == 3:
                row[x] = (row[x] + (left + up) // 2) & 255
            elif kind == 4:
                guess = left + up - corner
                near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                           (abs(guess - corner), 2, corner))
                row[x] = (row[x] + near[2]) & 255
        rows.append(bytes(row))
        previous = row
    return width, height, step, rows


def browse(suite, page, *options):
    """What Chromium says on standard error about the page's console, and its output."""
    result = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
         f"--user-data-dir={suite.work}/chromium", *options, page.as_uri()],
        capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(suite.work)})
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    suite.check("no complaint in the console", not console, console[:3])
    return result.stdout


def shoot(suite, page, name, width, height, *options):
    file = suite.work / (name + ".png")
    browse(suite, page, f"--window-size={width},{height}", f"--screenshot={file}", *options)
    if not suite.check("a screenshot, " + name, file.exists()):
        return None
    return pixels(file)


def luminance(picture):
    """Of the corner that no text reaches."""
    _, _, step, rows = picture
    return sum(rows[2][2 * step:2 * step + 3]) / 3


def colours(picture):
    _, _, step, rows = picture
    return len({row[x:x + 3] for row in rows[::3] for x in range(0, len(row), step * 3)})


def report(suite, *arguments, code=0):
    result = subprocess.run([suite.pinsweep, "report", *map(str, arguments)], capture_output=True,
                            text=True, timeout=60)
    suite.equal("exit code of report " + " ".join(map(str, arguments))[-60:], result.returncode,
                code)
    return result.stderr


def main(suite):
    port = suite.free_port()
    subprocess.run([suite.pinsweep, "demo", "-p", str(port)], capture_output=True, timeout=120,
                   env={**os.environ, "TMPDIR": str(suite.work)})
    (folder,) = suite.work.glob("pinsweep-demo-*")
    verdicts, page = folder / "verdicts.ndjson", suite.work / "report.html"
    report(suite, verdicts, "-o", page, "--title", "Night <1>")
    report(suite, verdicts, "-o", page, code=2)  # there already
    report(suite, verdicts, "-o", page, "--overwrite")
    suite.check("nothing is left beside the page",
                not list(suite.work.glob("report.html.*")), list(suite.work.glob("*")))

    text = page.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    suite.check("well-formed, and refers to nothing", not checker.wrong and not checker.open,
                checker.wrong[:5] + checker.open)
    suite.check("no address of a network", not re.search(r"https?://|//[a-z]", text))

    light = shoot(suite, page, "light", 1100, 1600)
    dark = shoot(suite, page, "dark", 1100, 1600, "--blink-settings=preferredColorScheme=0")
    narrow = shoot(suite, page, "narrow", 500, 1600)
    suite.check("light is light", luminance(light) > 200, luminance(light))
    suite.check("dark is dark", luminance(dark) < 60, luminance(dark))
    for name, picture in ("light", light), ("dark", dark), ("narrow", narrow):
        suite.check(f"something is drawn, {name}", colours(picture) > 20, colours(picture))

    dom = browse(suite, page, "--dump-dom")
    for words in ("mismatch.demo.test", "Demo Issuing A", "Verdicts", "Blast radius", "Fleet Root A"):
        suite.check("the browser shows " + words, words in dom)
    suite.equal("rows that the browser has", dom.count("<tr>"), checker.rows)
    printed = suite.work / "report.pdf"
    browse(suite, page, f"--print-to-pdf={printed}")
    suite.check("prints", printed.exists() and printed.read_bytes()[:5] == b"%PDF-")

    torn = suite.work / "torn.ndjson"
    torn.write_bytes(verdicts.read_bytes()[:-30])
    suite.check("a torn file is told with its line",
                re.search(r"torn\.ndjson:\d+: ", report(suite, torn, "-o", suite.work / "x.html",
                                                        code=2)))
    suite.check("and leaves no page", not (suite.work / "x.html").exists())
    report(suite, suite.work / "absent.ndjson", "-o", suite.work / "x.html", code=2)
    report(suite, verdicts, "-o", suite.work / "no" / "folder.html", code=4)


with Suite("report") as suite:
    main(suite)
