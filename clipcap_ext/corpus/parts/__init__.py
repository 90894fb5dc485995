"""Data sets too large to list: tars and tables, read a part at a time."""
