sweep --max-unknown '%'
