sweep --rate '-1'
