pins make backup.pub --tlsa 3,0,1 --host mx.bank.example
