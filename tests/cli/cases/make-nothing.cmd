pins make
