inspect 'a b'
