bench --threads 100000
