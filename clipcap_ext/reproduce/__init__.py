"""The tables of the papers, row by row: what they say, what this package measures, and how to complete what
is open."""
