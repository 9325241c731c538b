sweep --dry-run -f inventory -c 64 --workers 1
