sweep -f .
