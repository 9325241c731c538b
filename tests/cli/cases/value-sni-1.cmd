sweep --sni 'bad name'
