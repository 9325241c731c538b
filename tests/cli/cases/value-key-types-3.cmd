sweep --key-types ''
