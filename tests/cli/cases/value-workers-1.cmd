sweep --workers '0'
