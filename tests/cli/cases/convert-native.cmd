pins convert -p $ROOT/data/pins/network_security_config.xml -p $ROOT/data/pins/hpkp.txt --to native
