"""How good a run was after so many trials: one number, lower is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.search.hypervolume import hypervolume
from benchmarks.search.problem import Problem


def score(problem: Problem, record: Mapping[str, Any], trials: int) -> float:
    """The regret: exact loss of the best allowed point tried so far, above the optimum; infinite without one.

    Noise plays no part: what counts is the best point tried, not whether it was recognized (see `picked`).
    Of several objectives: the share of the greatest hypervolume that is missing.
    """
    allowed = [problem.losses(m) for m in record["exact"][:trials] if problem.allowed(m)]
    if len(problem.minimize) > 1:
        return 1.0 - hypervolume(allowed, problem.reference) / problem.optimum
    return min((losses[0] for losses in allowed), default=math.inf) - problem.optimum


def picked(problem: Problem, record: Mapping[str, Any], trials: int) -> float:
    """With noise: the regret of the point whose measured value was the best so far, which users would take."""
    pairs = zip(record["measured"][:trials], record["exact"][:trials], strict=True)
    values = [(problem.losses(m)[0], problem.losses(e)[0]) for m, e in pairs if problem.allowed(m)]
    return min(values)[1] - problem.optimum if values else math.inf


def checkpoints(problem: Problem) -> tuple[int, ...]:
    """After how many trials a problem is looked at."""
    if problem.kind == "several objectives":
        return (problem.trials // 2, problem.trials)
    if problem.kind == "high-dimensional":
        return (50, 100)
    return {"hartmann6": (30, 50, 200), "mixed7": (30, 50)}.get(problem.name, (problem.trials,))
