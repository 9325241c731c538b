sweep --policy no/such/policy.yaml
