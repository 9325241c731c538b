sweep -f inventory --port
