"""Executors: how trials are run, one file each."""
