bench --json nosuch/x.json
