pins lint
