impact $ROOT/tests/cli/impact.ndjson --policy $ROOT/data/demo/policy.yaml --at 2026-11-25 --op 'advance-clock={to: 2020-01-01}'
