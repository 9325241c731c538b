sweep --dry-run --policy $ROOT/data/pins/chromium.json
