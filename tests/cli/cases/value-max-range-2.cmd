sweep --max-range '4294967296'
