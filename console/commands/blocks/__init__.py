"""`stopline blocks`: what must not be reached, called or installed."""
