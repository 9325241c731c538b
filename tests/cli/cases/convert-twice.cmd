pins convert -p $ROOT/data/pins/okhttp.txt -p $ROOT/data/pins/hpkp.txt --to hpkp
