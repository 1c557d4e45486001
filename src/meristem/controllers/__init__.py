"""Controllers: what to try next, one file each; `protocol` holds what they see and give."""
