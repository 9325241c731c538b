pins convert -p $ROOT/data/pins/envoy.yaml --to envoy
