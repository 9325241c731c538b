pins make nowhere.pem
