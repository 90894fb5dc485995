"""Other people's files of weights: told by their shapes, read as data, converted. Nothing in them runs."""
