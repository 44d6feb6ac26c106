"""Telephone numbers: how suspect each is, and which are SIM boxes and dens."""
