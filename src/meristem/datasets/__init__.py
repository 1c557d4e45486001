"""Versions of data: made, kept, compared, copied, and known by whom they were made and read."""
