sweep --at '2027-02-30'
