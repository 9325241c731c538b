impact $ROOT/tests/cli/impact.ndjson --policy $ROOT/data/demo/policy.yaml --at 2026-11-25 --op 'rekey-ca: {ca: {subject: "CN=Demo Issuing A"}}' --output ndjson
