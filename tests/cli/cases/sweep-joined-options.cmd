sweep -qp1 --retries=0 --no-sni --
