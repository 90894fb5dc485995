"""Merge-RNN as a thing to train."""
