"""Many results.json files as one page that needs no network; it scores no caption."""
