"""Rows between stages and state of a shard."""
