diff before.ndjson after.ndjson
