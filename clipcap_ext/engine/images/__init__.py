"""Files and bytes to pictures."""
