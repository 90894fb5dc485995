"""Scores held against people: their judgements, and the captions they wrote themselves."""
