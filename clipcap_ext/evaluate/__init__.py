"""Scores for a checkpoint, for captions from anywhere and for an encoder's retrieval; it trains nothing."""
