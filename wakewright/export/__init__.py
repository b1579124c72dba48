"""Weights to files that run elsewhere."""
