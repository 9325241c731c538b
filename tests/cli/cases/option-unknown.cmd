sweep --prot 443
