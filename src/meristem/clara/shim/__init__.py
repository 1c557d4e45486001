"""Modules under the names that components for Clara AutoML import; see `meristem.components`."""
