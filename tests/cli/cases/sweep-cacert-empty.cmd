sweep --cacert roots.pem
