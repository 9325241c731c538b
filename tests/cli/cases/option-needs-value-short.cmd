sweep -p
