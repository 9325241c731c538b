sweep --rate 'nan'
