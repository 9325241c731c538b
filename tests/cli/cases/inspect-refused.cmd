inspect 127.0.0.1:1 --retries 0
