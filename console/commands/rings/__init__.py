"""`stopline rings`: suspected accounts that belong together, and the evidence of it."""
