"""Processes that lead their own group, and which GPUs they get: for executors and workers."""
