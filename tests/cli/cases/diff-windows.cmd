diff a b --windows 30,0
