sweep --dry-run --policy $ROOT/data/pins/envoy.yaml
