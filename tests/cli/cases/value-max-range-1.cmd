sweep --max-range '0'
