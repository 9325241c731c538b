bench --rounds 32
