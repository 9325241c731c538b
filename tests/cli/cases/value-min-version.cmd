sweep --min-version '1.4'
