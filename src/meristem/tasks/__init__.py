"""Tasks: units of work that can be run again: what ran, with what, and what came of it."""
