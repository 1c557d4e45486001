"""What a running task reports: scalars, plots, artifacts, its console and the machine's load. Standard library only."""
