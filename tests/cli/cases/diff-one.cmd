diff a.ndjson
