pins convert -p $ROOT/data/pins/okhttp.txt
