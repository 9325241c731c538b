sweep --dry-run --policy $ROOT/data/pins/network_security_config.xml --policy-format native
