pins make -
