"""Scores to decisions, live."""
