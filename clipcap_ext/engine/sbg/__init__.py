"""Selective blind guessing: labels, the selection of keywords, the prompt, the captioner and its
explanation."""
