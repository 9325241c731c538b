demo now
