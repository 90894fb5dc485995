"""Merge-RNN, the tables' baseline: an LSTM over words that the image joins late."""
