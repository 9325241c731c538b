expiry --from nowhere.db
