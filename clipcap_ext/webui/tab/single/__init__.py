"""The Single pane: one picture, its caption, candidates and keywords."""
