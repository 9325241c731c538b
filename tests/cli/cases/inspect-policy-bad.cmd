inspect 127.0.0.1:1 --policy policy.yaml
