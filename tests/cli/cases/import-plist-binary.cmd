sweep --dry-run --policy $ROOT/data/pins/Info.binary.plist
