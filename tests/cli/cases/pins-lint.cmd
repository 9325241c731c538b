pins lint pins.yaml --at 2027-01-01
