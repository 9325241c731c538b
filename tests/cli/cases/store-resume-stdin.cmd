sweep --store s.db -o out --resume
