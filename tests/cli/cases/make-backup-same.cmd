pins make server.pem --backup-key same.pub
