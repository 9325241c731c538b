sweep --format 'xml'
