"""Recall of a payment between institutions: what is asked, answered and given back (domain.md 4.1)."""
