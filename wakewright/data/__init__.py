"""What a model learns from: voices, phrases, corpora, augmentation, features."""
