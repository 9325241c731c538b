sweep --trust 'name='
