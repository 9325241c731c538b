sweep -Z
