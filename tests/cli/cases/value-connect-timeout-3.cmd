sweep --connect-timeout '2h'
