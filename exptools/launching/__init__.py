"""Launching: which job runs where."""
