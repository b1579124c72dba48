"""Honest measurement."""
