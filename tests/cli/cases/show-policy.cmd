pins show -p $ROOT/data/policy.example.yaml --at 2026-11-24
