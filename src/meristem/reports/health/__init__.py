"""What may be wrong with a study: one check a file."""
