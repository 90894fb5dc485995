"""The one training loop: batches, schedule, state, log; it knows no kind of task."""
