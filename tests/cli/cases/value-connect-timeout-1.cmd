sweep --connect-timeout '0'
