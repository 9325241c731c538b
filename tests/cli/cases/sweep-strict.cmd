sweep --strict -f inventory
