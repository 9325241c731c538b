sweep --port '0'
