pins show -p $ROOT/data/pins/network_security_config.xml --at 2028-01-01
