"""Records as columns, and the compiled readers that fill them."""
