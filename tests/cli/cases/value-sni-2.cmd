sweep --sni 'a..b'
