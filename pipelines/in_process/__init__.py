"""Beam's in-process runner, fit to run for ever."""
