sweep --trust '=x.pem'
