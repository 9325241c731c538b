sweep example.test
