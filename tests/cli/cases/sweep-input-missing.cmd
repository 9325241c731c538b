sweep -f no/such/inventory
