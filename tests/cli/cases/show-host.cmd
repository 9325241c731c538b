pins show -p $ROOT/data/pins/network_security_config.xml --host Pay.Bank.example --at 2026-11-24
