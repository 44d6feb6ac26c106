"""`stopline listings`: a country's list, signed, taken over, looked up."""
