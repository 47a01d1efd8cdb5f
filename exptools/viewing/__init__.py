"""Viewing: what runs said."""
