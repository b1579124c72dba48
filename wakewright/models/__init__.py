"""Architectures, registered by name."""
