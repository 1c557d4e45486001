"""Stands in for Clara AutoML where it is not installed."""
