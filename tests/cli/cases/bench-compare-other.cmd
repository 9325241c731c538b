bench --compare old.json
