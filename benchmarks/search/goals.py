"""What the search is meant to reach on the standard problems, and whether it did: regret, ranks, cost.

The regrets are the better of what Ax 1.3.1 and Optuna 5.0.0's Gaussian process reached (medians of ten seeds), but
for mixed7, where both are poor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

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
MEAN_RANK = 1.2
CPU_MS: Mapping[int, float] = {50: 25.0, 1000: 500.0}  # by number of trials
TIMES_CHEAPER: Mapping[str, float] = {"ax": 30.0, "optuna-gp": 5.0}
_COMPARED = range(30, 201)  # trials; before, Optuna's process still guesses at random, which costs nothing


def verdicts(
    ours: str, regrets: Mapping[tuple[str, int, int], Mapping[str, float]], ranks: Iterable[Mapping[str, Any]],
    costs: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Each goal that there are figures for, with what `ours` reached.

    Args:
        regrets: Medians by problem, trials and batch, then by peer.
        ranks: As `report` gives them, of the standard problems.
        costs: As `report` gives them.
    """
    found = []
    for key, goal in REGRET.items():
        if ours in regrets.get(key, {}):
            batch = f" in batches of {key[2]}" if key[2] > 1 else ""
            found.append(_at_most(f"regret on {key[0]} after {key[1]}{batch}", goal, regrets[key][ours]))
    for one in ranks:
        if ours in one["mean_rank"]:
            told = f"mean rank among {', '.join(one['mean_rank'])} over {one['rows']} rows"
            found.append(_at_most(told, MEAN_RANK, one["mean_rank"][ours]))
    for trials, goal in CPU_MS.items():
        values = [row["cpu_ms"][ours] for row in costs if row["trials"] == trials and ours in row["cpu_ms"]]
        if values:
            found.append(_at_most(f"CPU ms at trial {trials}, median over problems", goal, median(values)))
    for peer, goal in TIMES_CHEAPER.items():
        shared = [row["cpu_ms"] for row in costs if row["trials"] in _COMPARED and {ours, peer} <= set(row["cpu_ms"])]
        if shared:
            reached = median(cpu[ours] / cpu[peer] for cpu in shared)
            found.append(_at_most(f"CPU as a share of {peer}'s, trials 30 to 200, median", 1 / goal, reached))
    return found


def _at_most(what: str, goal: float, reached: float) -> dict[str, Any]:
    return {"goal": what, "at_most": goal, "reached": reached, "met": reached <= goal}
