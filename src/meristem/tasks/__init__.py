"""Tasks: reproducible units of work, captured where they run, cloned, edited, and run again elsewhere."""
