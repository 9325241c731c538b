sweep --dry-run --policy $ROOT/data/pins/okhttp.txt
