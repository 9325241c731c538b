sweep -o out --chains-out out
