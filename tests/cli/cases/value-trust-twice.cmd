sweep --cacert a.pem --trust system=b.pem
