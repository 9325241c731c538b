sweep --min-version 1.3 --max-version 1.2
