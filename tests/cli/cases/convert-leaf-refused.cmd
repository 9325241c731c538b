pins convert -p $ROOT/data/pins/curl.txt --to android
