pins make enc.key
