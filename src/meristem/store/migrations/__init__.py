"""Numbered migrations of the store, forward only."""
