sweep --dry-run --policy $ROOT/data/pins/tlsa.zone
