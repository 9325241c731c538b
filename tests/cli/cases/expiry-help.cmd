expiry --help
