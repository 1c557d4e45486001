"""Tasks: reproducible units of work: what they capture, their parameters, what they report."""
