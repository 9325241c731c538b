sweep --port '-1'
