demo --help
