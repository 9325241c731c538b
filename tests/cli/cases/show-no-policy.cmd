pins show
