"""Rings: which suspected accounts belong together, what each seems to do, what can still be frozen."""
