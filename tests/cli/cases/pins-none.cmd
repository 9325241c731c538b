pins
