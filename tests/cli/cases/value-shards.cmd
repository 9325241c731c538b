sweep --shards '0'
