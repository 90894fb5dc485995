"""Many pictures at once: plan, journal, caption, write, export; it knows no interface and never changes a
picture."""
