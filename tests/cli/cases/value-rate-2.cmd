sweep --rate 'fast'
