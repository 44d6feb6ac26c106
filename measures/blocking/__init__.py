"""Normalised blocking: one form of each thing, who may block it, what is never blocked, exports."""
