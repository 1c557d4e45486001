"""Makes ready what a task needs to run: its code, its Python, its packages.

Runs in a process of its own below the attendant, with the standard library alone.
"""
