pins convert -p $ROOT/data/policy.example.yaml --client android --to android
