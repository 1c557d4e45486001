"""Searches of an MMAR as Clara AutoML runs them: `config_automl.json`, runs, workers."""
