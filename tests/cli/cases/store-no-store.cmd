sweep -f inventory --store text.db -q
