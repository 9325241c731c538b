pins make --help
