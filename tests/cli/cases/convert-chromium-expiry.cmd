pins convert -p p.yaml --to chromium -o list.json
