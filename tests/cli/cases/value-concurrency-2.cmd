sweep --concurrency '1000001'
