impact --help
