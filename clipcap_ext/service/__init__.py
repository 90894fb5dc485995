"""One loaded captioner, one lock, its runs and downloads, and what a host must offer; no interface."""
