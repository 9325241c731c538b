pins lint new.yaml --at 2026-01-01 --severity all=off,PIN044=error --previous old.yaml
