impact $ROOT/tests/cli/impact.ndjson --policy policy.yaml --at 2026-11-25 --single-failure
