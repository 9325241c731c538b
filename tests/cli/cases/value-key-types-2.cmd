sweep --key-types 'rsa,rsa'
