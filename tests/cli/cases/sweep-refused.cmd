sweep -q --no-sni --retries 0
