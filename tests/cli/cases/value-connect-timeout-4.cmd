sweep --connect-timeout 'soon'
