sweep --max-version '0'
