impact $ROOT/tests/cli/impact.ndjson --policy $ROOT/data/demo/policy.yaml --at 2026-11-25 --op 'move-ca={hosts: [match.demo.test], to: [none.pem]}'
