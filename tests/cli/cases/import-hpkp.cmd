sweep --dry-run --policy $ROOT/data/pins/hpkp.txt
