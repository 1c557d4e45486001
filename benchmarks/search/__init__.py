"""How good is the search, and what does it cost, beside Ax and Optuna: `make bench-search`."""
