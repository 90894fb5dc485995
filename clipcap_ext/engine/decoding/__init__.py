"""The one path from logits to text, for every captioner; no image is known here."""
