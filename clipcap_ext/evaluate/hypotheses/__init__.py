"""Captions made elsewhere: read from a file of any usual form, and given to the images of a split."""
