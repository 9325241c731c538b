bench --in-flight 256,0
