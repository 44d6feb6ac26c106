"""`stopline reports`: what was reported, whom it was asked of, what came of it."""
