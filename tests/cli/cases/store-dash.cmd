sweep -f inventory --store -
