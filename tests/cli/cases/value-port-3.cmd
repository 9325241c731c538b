sweep --port 'https'
