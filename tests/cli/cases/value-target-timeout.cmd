sweep --target-timeout '5 s'
