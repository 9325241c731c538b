sweep -b no/such/list
