sweep --rate 'inf'
