sweep --key-types 'dsa'
