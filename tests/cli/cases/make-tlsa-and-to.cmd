pins make - --tlsa 3,1,1 --to android
