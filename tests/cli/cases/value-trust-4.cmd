sweep --trust 'none=x.pem'
