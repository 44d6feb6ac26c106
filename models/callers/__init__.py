"""Who calls: numbers that behave like SIM boxes, hour by hour, and the dens they belong to."""
