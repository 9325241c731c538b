bench --compare nosuch.json
