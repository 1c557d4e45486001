"""From folders to entries: which files are there, which of them changed, and what that means for a manifest."""
