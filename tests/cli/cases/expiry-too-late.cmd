expiry --policy $ROOT/tests/cli/cases/expiry-policy.d/policy.yaml --cacert /etc/ssl/certs/ISRG_Root_X1.pem --at 2026-12-24 --output ndjson
