"""Training: presets, configuration, tasks and the one loop that serves them all; not evaluation and not
decoding."""
