sweep --concurrency '0'
