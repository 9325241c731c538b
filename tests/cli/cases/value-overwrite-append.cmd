sweep --overwrite --append
