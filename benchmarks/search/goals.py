"""What the search is meant to reach on the standard problems: the better of Ax and Optuna's GP, and their cost."""

from __future__ import annotations

from collections.abc import Mapping

# Median regret by problem, trials and batch.
REGRET: Mapping[tuple[str, int, int], float] = {
    ("hartmann6", 50, 1): 0.0032,
    ("branin", 30, 1): 0.0125,
    ("ackley5", 50, 1): 1.75,
    ("rosenbrock8", 50, 1): 1120,
    ("levy10", 50, 1): 2.2,
    ("mixed7", 50, 1): 0.05,
    ("hartmann6", 50, 3): 0.026,
    ("branin", 30, 3): 0.025,
    ("mixed7", 50, 3): 0.1,
    ("ackley5", 50, 3): 2.3,
    ("levy10", 50, 3): 2.0,
}
CPU_MS: Mapping[int, float] = {50: 25.0, 1000: 500.0}  # by number of trials
TIMES_CHEAPER: Mapping[str, float] = {"ax": 30.0, "optuna-gp": 5.0}
