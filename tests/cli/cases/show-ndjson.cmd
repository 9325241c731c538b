pins show -p $ROOT/data/pins/curl.txt --output ndjson
