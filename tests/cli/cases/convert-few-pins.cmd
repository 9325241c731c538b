pins convert -p - --to trustkit
