sweep --concurrency 'many'
