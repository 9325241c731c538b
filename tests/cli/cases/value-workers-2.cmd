sweep --workers '257'
