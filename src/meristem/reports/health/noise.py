"""Is the objective so noisy that trials can hardly be told apart?"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.reports.health.duplicates import repeated
from meristem.reports.style import number, percent

_LARGE = 0.5
_KNOWN_BEST = 0.05


@analysis(
    "Noise",
    Group.HEALTH,
    "The standard deviation that the objective has where the same point is measured again, beside its standard "
    "deviation over all trials. Where noise is half of that or more, the best trial is likely a lucky one: trust the "
    "expected values, measure the best again, or average several measurements. Sources, the surest first: standard "
    "errors that trials gave, repeated points, the model (which cannot tell noise from detail that is too fine for "
    "it).",
    each_objective=True,
)
def noise(evidence: Evidence, objective: Objective) -> Finding:
    values = evidence.values(objective)
    spread = float(np.std(values))
    if len(values) < 2 or spread == 0:
        return Finding(note="The values do not differ, so that nothing can be said about noise.")
    rows: list[list[Any]] = [[source, size, size / spread] for source, size in _estimates(evidence, objective)]
    if not rows:
        return Finding(note="Nothing is known about noise: no standard errors, no repeated points, no model yet.")
    source, size, share = rows[0]
    level = Level.WARNING if share >= _LARGE else Level.GOOD
    note = f"About {number(size)} ({source}), {percent(share)} of the spread of all trials ({number(spread)})."
    table = Table(columns=["source", "standard deviation", "share of the spread"], rows=rows)
    return Finding(level=level, note=note, table=table)


def _estimates(evidence: Evidence, objective: Objective) -> list[tuple[str, float]]:
    found = []
    sems = [s for t in evidence.completed if (s := objective.sem(t.sems)) is not None]
    if sems:
        found.append(("standard errors, median", float(np.median(sems))))
    if (pooled := _of_repeated(evidence, objective)) is not None:
        found.append(("repeated points", pooled))
    with suppress(NothingToShow):  # too few trials for a model: then it is no source
        std = evidence.validation(objective).std
        found.append(("the model, at most", float(np.quantile(std, _KNOWN_BEST))))
    return found


def _of_repeated(evidence: Evidence, objective: Objective) -> float | None:
    """The standard deviation within groups of trials of the same point; None where there are none."""
    squares, freedom = 0.0, 0
    for group in repeated(evidence):
        values = [t.values[objective.metric] for t in group if t.status == "completed" and objective.metric in t.values]
        if len(values) > 1:
            squares += float(np.sum((np.array(values) - np.mean(values)) ** 2))
            freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom else None
