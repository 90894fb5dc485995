"""What a scoring leaves behind: results.json, the printed table, a checkpoint's own scores, comparisons."""
