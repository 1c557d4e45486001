"""Handlers: what reacts to events inside a study, one file each."""
