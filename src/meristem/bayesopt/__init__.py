"""Bayesian optimization in numpy and scipy: Gaussian process and acquisition, pure functions."""
