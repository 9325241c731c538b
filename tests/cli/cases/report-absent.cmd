report no-such.ndjson -o x.html
