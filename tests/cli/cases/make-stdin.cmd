pins make - --to curl
