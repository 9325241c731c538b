#!/usr/bin/python3
"""Tests of validate.py and of the schemas in data/: good records pass, and each single change that
breaks the contract is refused, with the line and a reason."""
import base64
import contextlib
import copy
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import validate  # pylint: disable=wrong-import-position

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent.parent / "data"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def key(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def chain_id(ids):
    return hashlib.sha256(b"".join(bytes.fromhex(i) for i in ids)).hexdigest()


def certificate(name):
    return {"cert_sha256": digest(name), "spki_sha256": key(name), "subject": "CN=" + name,
            "issuer": "CN=CA \\\"x\u00e9", "serial": "00ff", "not_before": "2026-01-01T00:00:00Z",
            "not_after": "2027-01-01T00:00:00Z", "on_path": True, "strict": True}


def success_view():
    chain = [certificate("leaf"), certificate("intermediate")]
    ids = [c["cert_sha256"] for c in chain]
    return {"address": "192.0.2.7", "key_type": "any", "status": "success", "error": "",
            "attempts": 1, "depth": "complete", "proof": "possession", "tls_version": "TLSv1.3",
            "cipher": "TLS_AES_128_GCM_SHA256", "group": "X25519",
            "signature_scheme": "ecdsa_secp256r1_sha256", "alpn": "",
            "client_cert_requested": False, "leaf_key": "ecdsa-p256", "chain_id": chain_id(ids),
            "chain": chain,
            "paths": [{"trust": "system", "preferred": True, "valid": True,
                       "certificates": ids + [digest("root")], "anchor_subject": "CN=root",
                       "anchor_spki_sha256": key("root"), "not_after": "2027-01-01T00:00:00Z"}],
            "pkix": [{"trust": "system", "result": "ok", "detail": ""}], "host_match": True,
            "timing_ms": {"dns": -1, "connect": 0.1, "tls": 1.9}}


def failed_view():
    view = success_view()
    view.update(status="connection-refused", proof="none", tls_version="", cipher="", group="",
                signature_scheme="", leaf_key="", chain_id="", chain=[], paths=[], attempts=3,
                pkix=[{"trust": "system", "result": "not-checked", "detail": ""}],
                host_match=False, timing_ms={"dns": 0.4, "connect": -1, "tls": -1})
    return view


def verdict():
    match = {"view": 0, "trust": "system", "path": 0, "path_depth": 2, "pin": "sha256/" + key("root"),
             "role": "active", "certificate": digest("root"), "durable": True}
    failed = {"view": 0, "trust": "system", "path": 0, "reason": "no pin on the path",
              "verdict": "mismatch", "pin": "", "certificate": ""}
    good = {"name": "android", "verdict": "match", "would_be": "match", "durable": True,
            "client": "android", "scope": "path", "application": "", "owner": "",
            "expires": "2027-06-01", "matches": [match], "failed": []}
    bad = dict(good, name="curl", verdict="mismatch", would_be="mismatch", client="curl",
               scope="leaf", expires=None, matches=[], failed=[failed])
    return {"schema": 1, "type": "verdict", "sweep": "s", "line": 17, "host": "api.bank.example",
            "port": 443, "sni": "api.bank.example", "pin_host": "api.bank.example", "tag": "",
            "owner": "", "application": "", "time": "2026-11-24T02:11:09.123Z",
            "status": "success", "error": "", "verdict": "mismatch", "complete": False,
            "views_failed": 1, "proof": "possession", "pin_sets": [good, bad],
            "views": [success_view(), failed_view()]}


def chain():
    der = b"\x30\x03\x02\x01\x05"
    pem = ("-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der).decode() +
           "\n-----END CERTIFICATE-----\n")
    leaf = certificate("leaf")
    del leaf["on_path"]
    leaf.update(cert_sha256=hashlib.sha256(der).hexdigest(), key="ecdsa-p256", signature="strong",
                is_ca=False, sans=["api.bank.example", "192.0.2.7"], pem=pem)
    odd = dict(leaf, cert_sha256=digest("odd"), spki_sha256="", not_before=None, not_after=None,
               key="", signature="other", strict=False, sans=[], pem="")
    return {"schema": 1, "type": "chain", "certificates": [leaf, odd],
            "chain_id": chain_id([leaf["cert_sha256"], odd["cert_sha256"]])}


def metadata():
    return {"schema": 1, "type": "metadata", "sweep": "s", "version": "0.1.0", "boringssl": "b",
            "arguments": ["pinsweep", "sweep"], "seed": 18446744073709551615,
            "input_sha256": digest("input"), "input_lines": 10, "accepted": 7, "rejected": 1,
            "skipped": 2, "targets": 9, "started": "2026-11-24T02:11:09.123Z",
            "ended": "2026-11-24T02:11:10.000Z", "statuses": {"success": 8, "not-tls": 1},
            "verdicts": {"match": 9, "mismatch": 0},
            "handshakes": {"attempted": 9, "completed": 8, "proven": 8, "captured": 0, "fallback": 0,
                           "by_version": {"TLSv1.3": 8}},
            "cpu_seconds": {"user": 0.5, "system": 0}, "max_rss_bytes": 1}


def bench():
    figure = {"median": 1.5, "low": 1, "high": 2}
    version = {"tls": "1.3", "key": "rsa-2048"}
    cell = {"name": "tls1.3 rsa-2048 prove 256 in flight 1 thread", **version, "depth": "prove",
            "in_flight": 256, "threads": 1, "handshakes_each_round": 10, "targets": 20,
            "succeeded": 18, "failed": 2, "attempts": 21, "connected": 20, "completed": 1,
            "proven": 18, "captured": 0, "fallbacks": 1, "versions": {"TLSv1.3": 18},
            "cpu_us": figure, "user_us": figure, "system_us": figure, "by_floor": figure,
            "by_parts": figure, "cpu_by_fewest_threads": None, "wall_by_fewest_threads": figure,
            "per_minute_and_core": 1000, "per_second_wall": figure,
            "busy": figure, "max_rss_bytes": figure}
    return {"schema": 1, "type": "bench", "version": "0.1.0", "boringssl": "b",
            "arguments": ["pinsweep", "bench"], "started": "2026-11-24T02:11:09.123Z",
            "ended": "2026-11-24T02:11:10.000Z", "rounds": 2,
            "machine": {"cpu": "c", "cores": 2, "kernel": "k", "memory_bytes": 1,
                        "descriptors_hard": 20000, "somaxconn": 4096, "ports": 28232,
                        "x25519": "ifma", "sha256": "avx512"},
            "load_average": [0.1, 0, -1],
            "server": {"program": "fleetsim --fast", "shares_machine": True, "shares_core": False,
                       "short_cuts": "some"},
            "primitives": [{"name": "verify-rsa-2048-pss", "us": figure}],
            "in_memory": [{**version, "bytes_out": [517, 88, 0], "bytes_in": [2000, 0],
                           "us": figure}],
            "floors": [{**version, "in_flight": 256, "exchange": "flight", "cpu_us": figure,
                        "user_us": figure, "system_us": figure}],
            "cells": [cell, dict(cell, name="another", by_parts=None)],
            "memory": [{**version, "depth": "prove", "low_in_flight": 256, "high_in_flight": 2000,
                        "bytes_per_connection": figure}],
            "notes": ["a note"]}


def pin_set():
    return {"schema": 1, "type": "pin-set", "name": "android", "file": "policy.yaml", "line": 4,
            "client": "android", "hosts": ["**.bank.example", "mq.bank.example:8883"],
            "include_subdomains": False, "exclude_subdomains": ["dev.bank.example"],
            "host_rule": "longest", "scope": "path", "key_types": ["any"], "trust": ["system"],
            "pins": [{"pin": "sha256/" + key("root"), "role": "backup", "of": "spki", "list": "any",
                      "tlsa": "3 1 1", "note": "", "line": -1}],
            "expires": "2027-06-01", "on_expiry": "fail-open", "report_only": False,
            "application": "", "platform": "", "owner": "", "approver": "", "rollover": "",
            "update": {"channel": "", "lead_time_days": -1, "adoption_days": 60},
            "last_rehearsal": None, "backup_custody": "", "operated_by": "self",
            "exceptions": [{"rule": "PIN022", "reason": "", "approver": "", "until": "2027-01-31"}],
            "extra": "", "means": {"search": "", "hosts": "", "expiry": ""},
            "lookup": {"host": "a.bank.example", "port": 443, "result": "applies",
                       "pattern": "**.bank.example", "by": "", "exclusion": ""}}


GOOD = {"bench": bench(), "pins": pin_set(), "verdict": verdict(), "chain": chain(),
        "metadata": metadata()}


def objects(value, path=()):
    """Every object in a value, with the way to it."""
    if isinstance(value, dict):
        yield path, value
    for step, item in (value.items() if isinstance(value, dict) else
                       enumerate(value) if isinstance(value, list) else ()):
        yield from objects(item, path + (step,))


def at(record, path):
    for step in path:
        record = record[step]
    return record


def change():
    side = {"time": "2026-11-24T02:11:09.123Z", "status": "success", "verdict": "match",
            "would_be": "match", "pin": "sha256/" + key("root"), "reason": "", "expires": None,
            "address": "192.0.2.7", "chain_id": digest("chain"), "certificate": digest("leaf"),
            "spki_sha256": key("leaf"), "subject": "CN=leaf", "issuer": "CN=ca",
            "not_before": "2026-01-01T00:00:00Z", "not_after": None, "path": [digest("leaf")],
            "anchor_subject": "CN=root", "anchor_spki_sha256": key("root"), "pkix": "",
            "addresses": ["192.0.2.7"]}
    return {"schema": 1, "type": "change", "change": "key-rotated", "regression": False,
            "host": "api.bank.example", "port": 443, "sni": "", "pin_host": "", "tag": "",
            "owner": "", "application": "", "key_type": "any", "trust": "", "pin_set": "",
            "window_days": -1, "detail": "", "before": side, "after": dict(side)}


def diff_summary():
    schema = json.loads((DATA / "diff.schema.json").read_text("utf-8"))
    kinds = schema["$defs"]["change"]["properties"]["change"]["enum"]
    sweep = {"source": "store.db", "sweep": "s", "started": "2026-11-24T02:11:09.123Z", "whole": True,
             "targets": 5}
    return {"schema": 1, "type": "diff-summary", "before": sweep, "after": dict(sweep), "matched": 5,
            "unchanged": 4, "not_compared": 0, "regressions": 1, "windows_days": [1, 7],
            "changes": dict.fromkeys(kinds, 0) | {"unreachable": 1}}


class Validate(unittest.TestCase):
    def run_on(self, kind, data, *options):
        with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
            file.write(data)
            file.flush()
            said = io.StringIO()
            with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as exit:
                validate.main([*options, str(DATA / (kind + ".schema.json")), file.name])
            return subprocess.CompletedProcess((), exit.exception.code, "", said.getvalue())

    def lines(self, kind, *records):
        return b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in records)

    def assert_good(self, kind, data, *options):
        result = self.run_on(kind, data, *options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def assert_all_bad(self, kind, records, reason=""):
        """Each of the records is refused: a complaint for each line."""
        result = self.run_on(kind, self.lines(kind, *records), "--max-errors", "1000000")
        self.assertEqual(result.returncode, 1)
        complained = {int(line.split(":")[1]) for line in result.stderr.splitlines()}
        missed = [i for i in range(1, len(records) + 1) if i not in complained]
        self.assertEqual(missed, [], "passed, but should not")
        self.assertIn(reason, result.stderr)

    def test_good(self):
        for kind, record in GOOD.items():
            self.assert_good(kind, self.lines(kind, record, record), "--count", "2")
            self.assert_good(kind, self.lines(kind, dict(record, something_new={"a": [1]})))
        self.assert_good("verdict", b"")

    def test_ids_only(self):
        record = copy.deepcopy(GOOD["verdict"])
        for entry in record["views"][0]["chain"]:
            for name in "subject", "issuer", "serial", "not_before", "not_after":
                del entry[name]
        self.assert_good("verdict", self.lines("verdict", record))
        record["views"][0]["chain"][0]["subject"] = "CN=alone"
        self.assert_all_bad("verdict", [record], "dependency")

    def test_no_policy(self):
        record = dict(copy.deepcopy(GOOD["verdict"]), verdict="unpinned", pin_sets=[])
        self.assert_good("verdict", self.lines("verdict", record))
        self.assert_all_bad("verdict", [dict(record, verdict="match"),
                                        dict(GOOD["verdict"], verdict="unpinned")])

    def test_every_field_is_required_and_typed(self):
        free = {"statuses", "verdicts", "by_version"}  # counts by name
        for kind, good in GOOD.items():
            bad = []
            for path, found in objects(good):
                for name in found:
                    if path and path[-1] in free:
                        continue
                    changed = copy.deepcopy(good)
                    at(changed, path)[name] = {"another": "type"}
                    bad.append(changed)
                    # The rest of a chain entry may be left out, but only together (above).
                    changed = copy.deepcopy(good)
                    del at(changed, path)[name]
                    bad.append(changed)
                if path and path[-1] not in free | {"handshakes"}:
                    changed = copy.deepcopy(good)
                    at(changed, path)["renamed"] = 1
                    bad.append(changed)
            self.assertGreater(len(bad), 30)
            self.assert_all_bad(kind, bad)

    def test_closed_lists_and_forms(self):
        bad = []
        for path, value in [
                (("status",), "ok"), (("verdict",), "matched"), (("schema",), 2), (("port",), 0),
                (("port",), 65536), (("port",), "443"), (("port",), 443.5), (("time",), None),
                (("time",), "2026-11-24T02:11:09Z"), (("time",), "2026-11-24 02:11:09.123Z"),
                (("time",), "2026-13-24T02:11:09.123Z"), (("time",), "2026-11-24T02:11:09.123Z\n"),
                (("views", 0, "key_type"), "dsa"), (("views", 0, "tls_version"), "1.3"),
                (("views", 0, "status"), "SUCCESS"), (("views", 0, "chain_id"), ""),
                (("views", 0, "chain", 0, "cert_sha256"), digest("leaf").upper()),
                (("views", 0, "chain", 0, "spki_sha256"), digest("leaf")),
                (("views", 0, "chain", 0, "spki_sha256"), key("leaf").rstrip("=")),
                (("views", 0, "chain", 0, "spki_sha256"), key("leaf")[:-2] + "B="),
                (("views", 0, "chain", 0, "serial"), "0"), (("views", 0, "chain", 0, "not_after"), ""),
                (("views", 0, "pkix", 0, "result"), "invalid"), (("views", 0, "attempts"), 0),
                (("views", 0, "timing_ms", "dns"), -2), (("views", 0, "proof"), "full"),
                (("pin_sets", 0, "scope"), "chain"), (("pin_sets", 0, "client"), "windows"),
                (("pin_sets", 0, "expires"), "2027-6-1"), (("pin_sets", 0, "expires"), ""), (("pin_sets", 0, "verdict"), "unpinned"),
                (("pin_sets", 0, "matches", 0, "pin"), "sha256/" + digest("x")),
                (("pin_sets", 0, "matches", 0, "role"), "spare")]:
            changed = copy.deepcopy(GOOD["verdict"])
            at(changed, path[:-1])[path[-1]] = value
            bad.append(changed)
        self.assert_all_bad("verdict", bad)

    def test_what_a_schema_cannot_say(self):
        def change(kind, **fields):
            return dict(copy.deepcopy(GOOD[kind]), **fields)
        self.assert_all_bad("verdict", [change("verdict", verdict="match")], "the worst")
        self.assert_all_bad("verdict", [change("verdict", complete=True),
                                        change("verdict", views_failed=3)])
        record = change("verdict")
        record["pin_sets"][0]["matches"][0]["view"] = 2
        self.assert_all_bad("verdict", [record], "view 2 of 2")
        record = change("verdict")
        record["views"][0]["chain"].reverse()
        self.assert_all_bad("verdict", [record], "not the SHA-256 over")
        record = change("verdict")
        record["views"][0]["paths"] *= 2
        self.assert_all_bad("verdict", [record], "two preferred")
        record = change("chain")
        record["certificates"].reverse()
        self.assert_all_bad("chain", [record], "chain_id")
        record = change("chain")
        record["certificates"][0]["pem"] = record["certificates"][0]["pem"].replace("MAM", "MAN")
        self.assert_all_bad("chain", [record], "of its pem")
        self.assert_all_bad("metadata", [
            change("metadata", input_lines=11), change("metadata", statuses={"success": 8}),
            change("metadata", verdicts={"match": 10}), change("metadata", ended="2026-11-24T02:11:09.122Z"),
            change("metadata", statuses={"success": 8, "fine": 1}),
            change("metadata", handshakes=dict(GOOD["metadata"]["handshakes"], attempted=7))])

    def test_what_a_bench_must_add_up_to(self):
        bad = []
        for key, value in [
                ("failed", 1), ("succeeded", 19), ("attempts", 20), ("connected", 22),
                ("proven", 16), ("fallbacks", 0), ("versions", {"TLSv1.3": 17}),
                ("cpu_us", {"median": 3, "low": 1, "high": 2}), ("name", "another")]:
            record = copy.deepcopy(GOOD["bench"])
            record["cells"][0][key] = value
            bad.append(record)
        bad.append(dict(copy.deepcopy(GOOD["bench"]), ended="2026-11-24T02:11:09.122Z"))
        self.assert_all_bad("bench", bad)

    def test_diff(self):
        good = change(), diff_summary(), dict(change(), change="new", before=None)
        self.assert_good("diff", self.lines("diff", *good))
        bad = [dict(change(), change="new"), dict(change(), before=None), dict(change(), window_days=7),
               dict(diff_summary(), unchanged=6), dict(diff_summary(), matched=4),
               dict(diff_summary(), regressions=2), dict(change(), change="worse"),
               dict(change(), after=dict(change()["after"], more=1))]
        for record in change(), diff_summary(), change()["before"]:
            for name in record:
                changed = copy.deepcopy(record)
                del changed[name]
                bad.append(changed if "type" in record else dict(change(), before=changed))
        self.assert_all_bad("diff", bad)

    def test_expiry(self):
        item = {"schema": 1, "type": "expiry", "kind": "certificate", "role": "leaf", "state": "too-late",
                "name": "CN=leaf", "ends": "2027-01-11T00:00:00Z", "act_by": "2027-01-01T00:00:00Z",
                "days_left": 7, "lead_days": 10, "endpoints": 3, "host": "a", "pin_set": "", "application": "",
                "owner": "", "issuer": "CN=ca", "reason": "", "certificate": digest("leaf"),
                "spki_sha256": key("leaf")}
        summary = {"schema": 1, "type": "expiry-summary", "at": "2027-01-04T00:00:00Z", "within_days": -1,
                   "states": {"expired": 0, "too-late": 1, "due": 0, "later": 0}}
        self.assert_good("expiry", self.lines("expiry", item, summary))
        bad = [dict(item, act_by="2027-01-02T00:00:00Z"), dict(item, state="expired"), dict(item, role=""),
               dict(item, kind="pin-set"), dict(item, state="later"), dict(item, lead_days=-1),
               dict(summary, states={"expired": 0})]
        for record in item, summary:
            for name in record:
                bad.append({other: record[other] for other in record if other != name})
        self.assert_all_bad("expiry", bad)

    def test_impact(self):
        path = [digest("leaf"), "", digest("root")]
        record = {"schema": 1, "type": "impact", "scenario": "leave-ca-a", "host": "a.example", "port": 443,
                  "pin_set": "android", "application": "", "platform": "", "owner": "", "ca": "CN=ca",
                  "before": "match", "outcome": "breaks", "view": 0, "address": "192.0.2.7", "key_type": "any",
                  "trust": "system", "path_before": path, "path_after": path, "pin_before": "sha256/" + key("root"),
                  "pin_after": "", "certificate": "", "pkix_before": "ok", "pkix_after": "ok", "spare_pins": 0,
                  "earliest_safe": "2027-03-09", "reason": "no pin on the path"}
        summary = {"schema": 1, "type": "impact-summary", "scenario": "leave-ca-a", "by": "owner", "key": "",
                   "targets": 3, "outcomes": {"breaks": 1, "ok": 2}, "earliest_safe": None}
        blast = {"schema": 1, "type": "blast-key", "key": "sha256/" + key("root"), "subject": "CN=root",
                 "role": "anchor", "targets": 2, "breaks": 2, "locked": 1, "pin_sets": 1}
        endpoint = {"schema": 1, "type": "blast-endpoint", "host": "a.example", "port": 443, "pin_set": "android",
                    "owner": "", "key": "sha256/" + key("root"), "subject": "CN=root"}
        pinset = {"schema": 1, "type": "blast-pinset", "pin_set": "android", "targets": 2, "working": 2,
                  "without_spare": 1, "independent": False}
        good = record, summary, blast, endpoint, pinset
        self.assert_good("impact", self.lines("impact", *good))
        bad = [dict(record, outcome="fine"), dict(record, before="ok"), dict(record, view=-2),
               dict(record, path_after=["x"]), dict(record, earliest_safe=""), dict(record, reason=""),
               dict(record, pkix_after="revoked"), dict(summary, by="tag"),
               dict(summary, outcomes={"breaks": -1}), dict(summary, outcomes={"fine": 3}),
               dict(summary, outcomes={"breaks": 1}), dict(blast, role="root"), dict(blast, key=key("root")),
               dict(blast, locked=3), dict(endpoint, port=0), dict(pinset, independent=1)]
        for one in good:
            for name in one:
                bad.append({other: one[other] for other in one if other != name})
        self.assert_all_bad("impact", bad)

    def test_lines(self):
        good = self.lines("verdict", GOOD["verdict"])
        for data, reason in [
                (good[:-1], ":1: record: the last line has no newline"),
                (good + good[:-2] + b"\n", ":2: record: "),
                (good + b"\n" + good, ":2: record: "),
                (good.replace(b"CN=leaf", b"CN=\xff"), "utf-8"),
                (good.replace(b"CN=leaf", b"CN=\\ud800"), "surrogate"),
                (good.replace(b"CN=leaf", b"CN=\x01"), "control character"),
                (good.replace(b'"port": 443', b'"port": NaN'), "NaN"),
                (good.replace(b'"port": 443', b'"port": 443, "port": 443'), "repeated key 'port'"),
                (good[:-1] + b" " + good, "Extra data"),
                (good[:-1] + b" \n", "white space"),
                (good[:-1] + b"\r\n", "white space"),
                (b"[" + good[:-1] + b"]\n", "not a JSON object"),
                (b"\xef\xbb\xbf" + good, "BOM")]:
            result = self.run_on("verdict", data)
            self.assertEqual(result.returncode, 1, reason)
            self.assertIn(reason, result.stderr)

    def test_options(self):
        good = self.lines("verdict", GOOD["verdict"])
        self.assertIn("1 lines, but there should be 2",
                      self.run_on("verdict", good, "--count", "2").stderr)
        result = self.run_on("verdict", b"{}\n" * 50, "--max-errors", "3")
        self.assertEqual((result.returncode, len(result.stderr.splitlines())), (1, 3))
        self.assertEqual(self.run_on("nosuch", good).returncode, 2)

    def test_as_a_program(self):
        for data, code in (self.lines("chain", GOOD["chain"]), 0), (b"{}\n", 1):
            result = subprocess.run([sys.executable, HERE / "validate.py",
                                     DATA / "chain.schema.json", "-"],
                                    input=data, capture_output=True, check=False)
            self.assertEqual(result.returncode, code)
            self.assertEqual(b"-:1: record: " in result.stderr, code == 1)


if __name__ == "__main__":
    ran = unittest.main(exit=False).result
    wrong = len(ran.failures) + len(ran.errors)
    print(f"{ran.testsRun - wrong} passed, {wrong} failed")
    sys.exit(1 if wrong else 0)
