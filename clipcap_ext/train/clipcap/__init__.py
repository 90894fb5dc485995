"""ClipCap as a thing to train."""
