pins make server.pem --backup-key backup.pub --to android --host "**.bank.example" --expires 2027-06-01
