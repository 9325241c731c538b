expiry fleet.db
