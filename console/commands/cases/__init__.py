"""`stopline cases`, `case`, `explain`, `measures`: what the desk shows, on a terminal."""
