"""Which of several arms to try next, where the best single result counts and not the average.

Results count as good while they are among the best few of all, so that the threshold rises as better ones come. An arm
that was tried often keeps its lead only while it goes on giving good results; of one that was tried once little is
known, and so it is tried again sooner or later.

Source: Streeter and Smith, "A Simple Distribution-Free Approach to the Max k-Armed Bandit Problem" (CP 2006). Only the
order of results matters, so neither their scale nor a single absurd one does.
"""

from __future__ import annotations

import numpy as np

from meristem.bayesopt.kernel import Array

GOOD = 8  # results
# The logarithm in Chernoff's bound. By the source it would be above 6, which is meant for thousands of tries. From 0.1
# to 1.0 losses hardly differ (measured on random mixed problems); the more, the sooner a combination is tried again.
OPTIMISM = 0.7


def upper_bounds(good: Array, tries: Array, optimism: float = OPTIMISM) -> Array:
    """How often each arm may give a good result, at the most; infinite where it was never tried. Shape (k,).

    Args:
        good: How many good results each has, shape (k,).
        tries: How many it has in all, those under way included, shape (k,).
    """
    tried = np.maximum(tries, 1.0)
    share = good / tried
    bound = share + (optimism + np.sqrt(2.0 * tried * share * optimism + optimism**2)) / tried
    return np.where(tries > 0, bound, np.inf)
