pins show -p $ROOT/data/pins/network_security_config.xml --host x.dev.bank.example
