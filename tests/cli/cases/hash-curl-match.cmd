hash --output curl --fingerprint
