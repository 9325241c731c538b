expiry --from x --within 3m
