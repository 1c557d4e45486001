"""Named data in versions: folders in, local copies out."""
