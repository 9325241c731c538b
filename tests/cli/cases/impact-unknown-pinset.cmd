impact $ROOT/tests/cli/impact.ndjson --policy $ROOT/data/demo/policy.yaml --at 2026-11-25 --op 'change-pinset={pin_set: demo-mach, expires: never}'
