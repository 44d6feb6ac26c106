"""Cases: what is reported, whom it is asked of, what came of it."""
