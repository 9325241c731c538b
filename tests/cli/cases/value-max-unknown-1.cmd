sweep --max-unknown '101%'
