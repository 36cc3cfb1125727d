"""Start, supervise, signal and inspect processes."""
