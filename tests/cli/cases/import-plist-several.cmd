sweep --dry-run --policy $ROOT/data/pins/Info.plist --policy $ROOT/data/pins/trustkit.plist --policy $ROOT/data/pins/okhttp.txt
