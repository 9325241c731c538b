sweep --fail-on ''
