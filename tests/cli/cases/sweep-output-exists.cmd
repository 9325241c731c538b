sweep -o out -f inventory
