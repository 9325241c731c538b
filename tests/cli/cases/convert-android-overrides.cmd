pins convert --policy nsc.xml --to android
