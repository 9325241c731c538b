sweep --dns-servers 127.0.0.1:5353,dns.example
