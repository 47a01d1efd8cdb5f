"""One file per library that logs in its own way; each is imported by who uses it."""
