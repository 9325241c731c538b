sweep --fail-on 'mismach'
