bench --tls 1.1
