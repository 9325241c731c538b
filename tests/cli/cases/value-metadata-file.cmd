sweep --metadata-file '-'
