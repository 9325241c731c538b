sweep --sni ''
