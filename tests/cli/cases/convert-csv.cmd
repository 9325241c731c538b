pins convert -p $ROOT/data/pins/okhttp.txt -p $ROOT/data/pins/Info.plist --to csv
