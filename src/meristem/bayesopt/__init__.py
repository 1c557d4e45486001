"""Bayesian optimization in numpy and scipy: Gaussian process, acquisition, hypervolume; pure functions."""
