sweep -f inventory --store s.db -o out --resume --overwrite
