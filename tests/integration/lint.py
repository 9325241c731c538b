"""Run by lint.sh: the demo fleet swept by the demo, then linted."""
import json
import os
import pathlib
import subprocess

import jsonschema

from peers import ROOT, Suite

# Of data/demo/policy.yaml on what its fleet serves; the governance rules (PIN03x) are left out.
EXPECTED = {
    ("PIN003", "demo-mismatch"), ("PIN003", "demo-no-path"), ("PIN003", "demo-incomplete"),
    ("PIN003", "demo-report-only"), ("PIN004", "demo-path-dependent"), ("PIN004", "demo-dual"),
    ("PIN005", "demo-off-path"), ("PIN020", "demo-expired-pinset"), ("PIN038", ""),
}
LEVELS = {"error": "error", "warn": "warning", "info": "note"}


def sweep_demo(suite):
    """The folder that the demo leaves: verdicts.ndjson, chains.ndjson, roots.pem."""
    port = suite.free_port()
    result = subprocess.run([suite.pinsweep, "demo", "-p", str(port)], capture_output=True,
                            text=True, timeout=120, env={**os.environ, "TMPDIR": str(suite.work)})
    suite.check("the demo runs", result.returncode in (0, 1), result.stderr)
    (folder,) = suite.work.glob("pinsweep-demo-*")
    return folder


def lint(suite, policy, *arguments, code):
    result = subprocess.run([suite.pinsweep, "pins", "lint", str(policy), *arguments],
                            capture_output=True, text=True, timeout=60)
    suite.equal("exit code of " + " ".join(map(str, arguments))[:80], result.returncode, code)
    if result.returncode == 2 and code != 2:
        print(result.stderr)
    return result.stdout


def findings_of(text):
    lines = [json.loads(line) for line in text.splitlines()]
    return lines[:-1], lines[-1]


def check_sarif(suite, document, findings):
    """What SARIF 2.1.0 asks of the properties that are written, and that nothing is lost."""
    suite.equal("SARIF version", document["version"], "2.1.0")
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    suite.equal("rules are named once", len({rule["id"] for rule in rules}), len(rules))
    suite.equal("as many results", len(run["results"]), len(findings))
    for result, finding in zip(run["results"], findings):
        path = pathlib.Path(finding["file"])
        place = [path.as_uri() if path.is_absolute() else finding["file"], finding["line"]]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        suite.equal("result " + finding["rule"],
                    [rules[result["ruleIndex"]]["id"], result["level"],
                     physical["artifactLocation"]["uri"],
                     physical.get("region", {"startLine": 0})["startLine"]],
                    [finding["rule"], LEVELS[finding["severity"]], *place])
        suite.check("a region has a line", physical.get("region", {}).get("startLine", 1) >= 1)
        suite.check("a message has text", bool(result["message"]["text"]))
        suite.equal("suppressed if accepted", bool(result["suppressions"]),
                    finding["exception"] is not None)
    prints = [result["partialFingerprints"]["pinsweep/v1"] for result in run["results"]]
    suite.equal("fingerprints differ", len(set(prints)), len(prints))


def main(suite):
    folder = sweep_demo(suite)
    schema = json.loads((ROOT / "data/lint.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    policy = ROOT / "data/demo/policy.yaml"
    trust = ["--cacert", str(folder / "roots.pem")]
    observed = ["--observed", str(folder / "verdicts.ndjson")]

    findings, summary = findings_of(lint(suite, policy, *trust, *observed, "--output", "ndjson",
                                         code=1))
    for line in findings + [summary]:
        errors = [error.message for error in validator.iter_errors(line)]
        suite.check("the schema holds " + line.get("rule", "the summary"), not errors, errors)
    seen = {(f["rule"], f["pin_set"]) for f in findings if not f["rule"].startswith("PIN03")
            or f["rule"] == "PIN038"}
    suite.equal("what the demo's policy and fleet give", seen, EXPECTED)
    suite.equal("the summary counts errors", summary["errors"],
                sum(f["severity"] == "error" for f in findings))

    again, _ = findings_of(lint(suite, policy, *trust, *observed, "--chains",
                                str(folder / "chains.ndjson"), "--output", "ndjson", code=1))
    suite.equal("chains add nothing that is wrong", again, findings)

    text = lint(suite, policy, *trust, *observed, "--output", "sarif", code=1)
    check_sarif(suite, json.loads(text), findings)

    alone, _ = findings_of(lint(suite, policy, *trust, "--output", "ndjson", code=1))
    suite.check("without a sweep the rules about chains are silent",
                not {f["rule"] for f in alone} & {"PIN003", "PIN004", "PIN005", "PIN038"})

    torn = folder / "torn.ndjson"
    torn.write_bytes((folder / "verdicts.ndjson").read_bytes()[:-20])
    lint(suite, policy, *trust, "--observed", str(torn), code=2)
    lint(suite, policy, *trust, *observed, "--severity", "all=off", "--fail-on", "info", code=0)

    bad = suite.work / "bad.yaml"
    bad.write_text("version: 1\npin_sets:\n  - {name: a, hosts: [a.example], pins: [sha256/AAAA]}\n",
                   encoding="ascii")
    run = json.loads(lint(suite, bad, "--output", "sarif", code=2))["runs"][0]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    suite.equal("a policy that cannot be read is told with its line",
                note["locations"][0]["physicalLocation"]["region"]["startLine"], 3)
    out = pathlib.Path("/dev/full")
    if out.exists():
        lint(suite, policy, *trust, "-o", str(out), code=4)


with Suite("lint") as suite:
    main(suite)
