"""The language models behind the captioners, built from their sizes."""
