pins show -p $ROOT/data/pins/okhttp.txt --client android
