sweep --io-timeout '-5s'
