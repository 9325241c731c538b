sweep --cacert no/such/roots.pem
