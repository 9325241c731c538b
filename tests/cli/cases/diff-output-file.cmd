diff $ROOT/tests/cli/cases/diff-text.d/before.ndjson $ROOT/tests/cli/cases/diff-text.d/after.ndjson -o there.txt
