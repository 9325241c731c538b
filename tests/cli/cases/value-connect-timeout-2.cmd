sweep --connect-timeout '0.1ms'
