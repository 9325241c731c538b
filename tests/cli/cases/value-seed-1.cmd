sweep --seed '-1'
