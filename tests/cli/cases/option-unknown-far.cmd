sweep --frobnicate 3
