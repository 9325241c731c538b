pins convert -p $ROOT/data/pins/okhttp.txt --to native -o there.yaml
