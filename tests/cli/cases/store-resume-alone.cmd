sweep -f inventory -o out --resume
