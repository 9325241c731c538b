sweep --port '65536'
