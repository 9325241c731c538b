pins make - --tlsa 3,2,1
