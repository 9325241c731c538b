sweep --shard 'x'
