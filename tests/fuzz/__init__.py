"""Inputs nobody would send, drawn from a seed: accepted or explained by decoders and running jobs."""
