pins shwo
