sweep --dry-run --policy-format xml
