"""wakewright: from a phrase to a measured wake word."""

__version__ = "0.1.0"
