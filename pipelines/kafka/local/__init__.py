"""Brokers on this machine."""
