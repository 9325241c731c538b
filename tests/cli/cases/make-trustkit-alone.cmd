pins make server.pem --to trustkit
