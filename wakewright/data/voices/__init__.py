"""Speech synthesis, one file per engine."""
