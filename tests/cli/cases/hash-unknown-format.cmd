hash --format pkcs12
