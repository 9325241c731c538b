pins convert --help
