expiry --from x --calendar --output ndjson
