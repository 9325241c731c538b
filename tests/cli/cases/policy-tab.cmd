sweep --policy policy.yaml
