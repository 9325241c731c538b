impact $ROOT/tests/cli/impact.ndjson --op 'reissue={}'
