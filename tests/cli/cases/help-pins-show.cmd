pins show --help
