diff $ROOT/tests/cli/cases/diff-text.d/before.ndjson $ROOT/tests/cli/cases/diff-text.d/after.ndjson --limit 1 --fail-on renewed,match --windows 400
