sweep --server-rate-limit '1x'
