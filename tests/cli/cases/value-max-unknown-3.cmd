sweep --max-unknown '1.5'
