expiry --policy policy.yaml --cacert /etc/ssl/certs/ISRG_Root_X1.pem --at 2026-11-24 --within all
