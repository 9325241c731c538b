demo --port 80
