"""Things every room stands on: errors, files, audio, manifests, recipes, runs."""
