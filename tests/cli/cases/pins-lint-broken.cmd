pins lint bad.yaml
