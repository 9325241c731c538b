pins make - --to android --no-backup
