inspect --jsno example.test
