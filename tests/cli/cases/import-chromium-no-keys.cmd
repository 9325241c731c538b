sweep --dry-run --policy list.json
