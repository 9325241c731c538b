sweep --retries '101'
