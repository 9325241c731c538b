diff no.txt no.txt
