"""Sound to frames."""
