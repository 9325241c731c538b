pins make server.pem --backup-key backup.pub
