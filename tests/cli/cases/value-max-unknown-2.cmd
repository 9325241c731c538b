sweep --max-unknown '-1'
