"""What the read model makes of each topic; `table.py` lists them."""
