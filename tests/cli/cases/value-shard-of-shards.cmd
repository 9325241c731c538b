sweep --shards 3 --shard 3
