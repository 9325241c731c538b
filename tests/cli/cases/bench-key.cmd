bench --key ed25519
