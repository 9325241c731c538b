pins lint $ROOT/data/pins/okhttp.txt --severity PIN999=off
