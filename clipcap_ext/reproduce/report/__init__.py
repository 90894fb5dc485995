"""The page of results: rows, gaps to the papers, plots."""
