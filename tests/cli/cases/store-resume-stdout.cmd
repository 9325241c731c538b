sweep -f inventory --store s.db -o - --resume
