diff a.ndjson b.ndjson
