"""Images to captions with torch; it knows no interface, no host and no training."""
