sweep --server-concurrency '-2'
