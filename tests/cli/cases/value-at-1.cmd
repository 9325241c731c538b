sweep --at 'yesterday'
