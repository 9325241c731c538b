pins convert -p $ROOT/data/policy.example.yaml --to native --pin-set mobile-banking-andriod
