"""From features to weights."""
