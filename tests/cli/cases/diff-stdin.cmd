diff $ROOT/tests/cli/cases/diff-text.d/before.ndjson - --limit 0
