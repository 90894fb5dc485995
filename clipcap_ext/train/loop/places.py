"""The names of what a run leaves in its folder to go on from and to caption with; it imports nothing."""

STATE_FILE = "state.pt"
BEST, LAST = "best", "last"
