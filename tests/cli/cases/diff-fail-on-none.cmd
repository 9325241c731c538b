diff $ROOT/tests/cli/cases/diff-text.d/before.ndjson $ROOT/tests/cli/cases/diff-text.d/after.ndjson --limit 0 --fail-on none
