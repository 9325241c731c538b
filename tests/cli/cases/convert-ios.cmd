pins convert -p $ROOT/data/pins/Info.binary.plist --to ios
