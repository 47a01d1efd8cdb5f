"""One file per destination of what a run says."""
