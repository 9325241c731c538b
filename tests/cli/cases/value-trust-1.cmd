sweep --trust 'bundle.pem'
