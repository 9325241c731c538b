pins show -p $ROOT/data/policy.example.yaml --client curl,envoy --at 2026-11-24
