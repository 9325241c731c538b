diff $ROOT/tests/cli/cases/diff-text.d/before.ndjson#nosuch $ROOT/tests/cli/cases/diff-text.d/after.ndjson
