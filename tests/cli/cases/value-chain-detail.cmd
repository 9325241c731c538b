sweep --chain-detail 'some'
