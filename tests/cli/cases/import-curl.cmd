sweep --dry-run --policy $ROOT/data/pins/curl.txt
