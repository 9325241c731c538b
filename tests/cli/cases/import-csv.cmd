sweep --dry-run --policy $ROOT/data/pins/pins.csv
