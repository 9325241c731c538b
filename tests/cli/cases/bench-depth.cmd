bench --depth complete,half
