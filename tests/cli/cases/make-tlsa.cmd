pins make server.pem --tlsa 3,0,1 --host mx.bank.example:25
