expiry --from $ROOT/tests/cli/cases/diff-text.d/before.ndjson --at 2026-11-24
