bench --json old.json
