#!/usr/bin/python3
"""validate.py [--count N] [--max-errors N] SCHEMA FILE...

Holds NDJSON files against a schema of data/ and against what a schema cannot say (contracts of
README.md): valid UTF-8, one JSON object a line without repeated keys or lone surrogates, a newline
at the end; the target's verdict is the worst of its pin sets', units name views that are there,
chain ids are those of their certificates, the counts of the metadata add up. Complaints are
"file:line: where: reason" on standard error; exit 1 if there are any, 2 on wrong usage.
"-" is standard input. Needs Debian's python3-jsonschema (4.0 or later knows draft 2020-12): hence
the interpreter above.
"""
import argparse
import base64
import datetime
import hashlib
import json
import sys

import jsonschema

# Worst first: the order of the contract.
VERDICTS = ["mismatch", "off-path", "no-path", "path-dependent", "expired-pinset", "unknown",
            "match-backup", "report-only", "match", "unpinned"]
RANK = {verdict: rank for rank, verdict in enumerate(VERDICTS)}


def resolved(node, definitions):
    """The schema with its references put in place (ours have no cycles): looking them up for every
    value is most of jsonschema's time. "$" of ECMA 262 is the end alone, Python's also a newline
    before it."""
    if isinstance(node, list):
        return [resolved(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key == "$ref":
            out.update(resolved(definitions[value.rsplit("/", 1)[1]], definitions))
        elif key == "pattern" and isinstance(value, str):
            out[key] = value[:-1] + r"\Z" if value.endswith("$") else value
        elif key not in ("$defs", "description", "title"):
            out[key] = resolved(value, definitions)
        elif isinstance(value, dict) and key != "$defs":
            out[key] = resolved(value, definitions)  # a property of that name
    return out


def load_schema(file):
    with open(file, encoding="utf-8") as stream:
        schema = json.load(stream)
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    return validator(resolved(schema, schema.get("$defs", {})))


def unique(pairs):
    out = dict(pairs)
    if len(out) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError("repeated key " + repr(next(k for k in keys if keys.count(k) > 1)))
    return out


def refuse_constant(text):
    raise ValueError(text + " is not JSON")


def parse(line):
    """The object on a line (without its newline), or ValueError."""
    text = line.decode("utf-8")
    record = json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    if text[0] != "{" or text[-1] != "}":
        raise ValueError("white space around the object")
    if "\\u" in text:
        try:
            json.dumps(record, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a lone surrogate") from None
    return record


def chain_id(certificates):
    return hashlib.sha256(b"".join(bytes.fromhex(c["cert_sha256"]) for c in certificates)).hexdigest()


def check_verdict(record):
    sets = record["pin_sets"]
    worst = min((s["verdict"] for s in sets), key=RANK.get, default="unpinned")
    if record["verdict"] != worst:
        yield "verdict", f"{record['verdict']}, but the worst of the pin sets is {worst}"
    for i, pin_set in enumerate(sets):
        for unit in pin_set["matches"] + pin_set["failed"]:
            if unit["view"] >= len(record["views"]):
                yield f"pin_sets[{i}]", f"view {unit['view']} of {len(record['views'])}"
    for i, view in enumerate(record["views"]):
        if view["chain"] and view["chain_id"] != chain_id(view["chain"]):
            yield f"views[{i}].chain_id", "not the SHA-256 over the certificates of chain"
        preferred = [path["trust"] for path in view["paths"] if path["preferred"]]
        if len(preferred) != len(set(preferred)):
            yield f"views[{i}].paths", "two preferred paths of one trust profile"
    if record["views_failed"] > len(record["views"]):
        yield "views_failed", f"{record['views_failed']} of {len(record['views'])} views"
    if record["complete"] and record["views_failed"] > 0:
        yield "complete", "true, although views failed"


def pem_sha256(pem):
    return hashlib.sha256(base64.b64decode("".join(pem.splitlines()[1:-1]), validate=True)).hexdigest()


def check_chain(record):
    if record["chain_id"] != chain_id(record["certificates"]):
        yield "chain_id", "not the SHA-256 over the certificates"
    for i, certificate in enumerate(record["certificates"]):
        if certificate["pem"] and certificate["cert_sha256"] != pem_sha256(certificate["pem"]):
            yield f"certificates[{i}].cert_sha256", "not the SHA-256 of its pem"


def check_metadata(record):
    lines = record["accepted"] + record["rejected"] + record["skipped"]
    if lines != record["input_lines"]:
        yield "input_lines", f"{record['input_lines']}, but accepted + rejected + skipped is {lines}"
    for key in "statuses", "verdicts":
        total = sum(record[key].values())
        if total != record["targets"]:
            yield key, f"add up to {total}, but there are {record['targets']} targets"
    shakes = record["handshakes"]
    if shakes["completed"] > shakes["attempted"]:
        yield "handshakes", f"{shakes['completed']} completed of {shakes['attempted']} attempted"
    if record["started"] > record["ended"]:
        yield "ended", "before it started"


def check_cell(cell):
    if cell["failed"] != cell["targets"] - cell["succeeded"]:
        yield "failed", f"{cell['failed']}, not targets - succeeded"
    if sum(cell["versions"].values()) < cell["succeeded"]:
        yield "versions", "a success without a version"
    if cell["connected"] > cell["attempts"] or cell["succeeded"] > cell["connected"]:
        yield "connected", f"{cell['connected']} of {cell['attempts']} attempts"
    # A capture that only the SSL object could tell is completed on a second connection.
    own = {"complete": "completed", "prove": "proven", "capture": "captured"}[cell["depth"]]
    if not cell["succeeded"] <= cell[own] + cell["fallbacks"]:
        yield own, f"{cell[own]}, but {cell['succeeded']} succeeded"
    if cell["attempts"] != cell["targets"] + cell["fallbacks"]:
        yield "attempts", f"{cell['attempts']}, not targets + fallbacks"
    for key, figure in cell.items():
        if isinstance(figure, dict) and "median" in figure and \
                not figure["low"] <= figure["median"] <= figure["high"]:
            yield key, "the median is not between the lowest and the highest"


def check_bench(record):
    names = [cell["name"] for cell in record["cells"]]
    if len(names) != len(set(names)):
        yield "cells", "two of one name"
    for i, cell in enumerate(record["cells"]):
        for key, reason in check_cell(cell):
            yield f"cells[{i}].{key}", reason
    if record["started"] > record["ended"]:
        yield "ended", "before it started"


def check_change(record):
    for side, change in ("before", "new"), ("after", "gone"):
        if (record[side] is None) != (record["change"] == change):
            yield side, f"of a change {record['change']}"
    if (record["window_days"] >= 0) != (record["change"] == "expiry-window"):
        yield "window_days", f"of a change {record['change']}"


def check_diff_summary(record):
    if record["unchanged"] + record["not_compared"] > record["matched"]:
        yield "unchanged", f"{record['unchanged']} and {record['not_compared']} not compared, of {record['matched']}"
    for side, change in ("after", "new"), ("before", "gone"):
        if record["matched"] + record["changes"][change] != record[side]["targets"]:
            yield side + ".targets", "not those in both and those that are only here"
    if record["regressions"] > sum(record["changes"].values()):
        yield "regressions", "more than changes"


def check_expiry(record):
    def seconds(key):
        return datetime.datetime.fromisoformat(record[key].replace("Z", "+00:00")).timestamp()

    if seconds("ends") - seconds("act_by") != record["lead_days"] * 86400:
        yield "act_by", f"not {record['lead_days']} days before it ends"
    if (record["state"] == "expired") != (record["days_left"] < 0):
        yield "state", f"{record['state']} with {record['days_left']} days left"
    if (record["role"] != "") != (record["kind"] in ("certificate", "anchor")):
        yield "role", f"of a {record['kind']}"


def check_impact_summary(record):
    total = sum(record["outcomes"].values())
    if total != record["targets"]:
        yield "outcomes", f"add up to {total}, but there are {record['targets']} targets"


def check_blast_key(record):
    if not record["locked"] <= record["breaks"]:
        yield "locked", f"{record['locked']} of {record['breaks']} that break"


CHECKS = {"impact-summary": check_impact_summary, "blast-key": check_blast_key,
          "expiry": check_expiry, "bench": check_bench, "verdict": check_verdict, "chain": check_chain, "metadata": check_metadata,
          "change": check_change, "diff-summary": check_diff_summary}


def where(error):
    out = ""
    for part in error.absolute_path:
        out += f"[{part}]" if isinstance(part, int) else ("." if out else "") + part
    return out or "record"


def complaints_of_line(line, validator):
    try:
        record = parse(line)
    except ValueError as error:
        yield "record", str(error)
        return
    errors = list(validator.iter_errors(record))
    if errors:
        for error in errors:
            reason = error.message
            yield where(error), reason if len(reason) < 300 else reason[:140] + " ... " + reason[-140:]
        return
    yield from CHECKS.get(record.get("type"), lambda _: ())(record)


def complaints_of_file(stream, validator, count):
    number = 0
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            yield number, "record", "the last line has no newline at its end: it was cut"
            line += b"\n"
        for place, reason in complaints_of_line(line[:-1], validator):
            yield number, place, reason
    if count is not None and number != count:
        yield number, "file", f"{number} lines, but there should be {count}"


def main(arguments=None):
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("--count", type=int, help="lines there must be in each file")
    options.add_argument("--max-errors", type=int, default=10)
    options.add_argument("schema")
    options.add_argument("files", nargs="+")
    given = options.parse_args(arguments)
    try:
        validator = load_schema(given.schema)
        failed = 0
        for file in given.files:
            with open(0 if file == "-" else file, "rb") as stream:
                for number, place, reason in complaints_of_file(stream, validator, given.count):
                    print(f"{file}:{number}: {place}: {reason}", file=sys.stderr)
                    failed += 1
                    if failed >= given.max_errors:
                        sys.exit(1)
    except (OSError, json.JSONDecodeError, jsonschema.SchemaError) as error:
        print(f"validate.py: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
