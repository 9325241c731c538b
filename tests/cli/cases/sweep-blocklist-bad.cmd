sweep -b list
