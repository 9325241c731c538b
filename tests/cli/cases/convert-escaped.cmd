pins convert -p - --to android --lossy
