"""From a corpus's training captions to a label bank; it makes the file, the engine reads it."""
