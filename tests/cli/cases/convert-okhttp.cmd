pins convert -p $ROOT/data/pins/network_security_config.xml --to okhttp
