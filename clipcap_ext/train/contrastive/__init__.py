"""A small CLIP as a thing to train."""
