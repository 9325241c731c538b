pins convert -p $ROOT/data/pins/chromium.json --to chromium
