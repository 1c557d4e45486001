"""Measurements of Meristem; each prints a table and writes JSON."""
