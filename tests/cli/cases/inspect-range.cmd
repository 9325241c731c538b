inspect 127.0.0.0/30
