"""What was found, what it tells about the space, and how far to trust it: one analysis a file."""
