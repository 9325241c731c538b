sweep --port '4 43'
