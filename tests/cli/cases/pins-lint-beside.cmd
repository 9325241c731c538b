pins lint okhttp.txt inventory.yaml --at 2027-01-01 --severity PIN022=off
