pins show -p $ROOT/data/pins/okhttp.txt --host "*.bank.example"
