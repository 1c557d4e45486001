"""Is the best trial better than the baseline?"""

from __future__ import annotations

import math
from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import Evidence
from meristem.reports.style import number, percent

_NORMAL_95 = 1.959964


@analysis(
    "Improvement over the baseline",
    Group.HEALTH,
    "By how much the best trial (of several objectives: the best on the front in each) is better than the baseline, "
    "in the objective's own unit. Where standard errors are known, a difference within their 95 % interval may be "
    "chance.",
)
def improvement(evidence: Evidence, objective: Objective) -> Finding:
    evidence.need_completed()
    base = evidence.baseline
    if base is None:
        how = "study.enqueue(parameters, baseline=True)"
        return Finding(note=f"No trial is marked as the baseline. What you use today, tried with {how}, would be one.")
    if not evidence.leaders:
        return Finding(level=Level.WARNING, note="No trial keeps all limits, so that none improves on the baseline.")
    rows: list[list[Any]] = []
    for aim in evidence.goals.objectives:
        best = min(evidence.leaders, key=lambda t: aim.loss(t.values[aim.metric]))
        before, after = base.values[aim.metric], best.values[aim.metric]
        gain = aim.loss(before) - aim.loss(after)
        error = math.hypot(aim.sem(base.sems) or 0.0, aim.sem(best.sems) or 0.0)
        rows.append([aim.metric, before, after, best.number, gain, gain / abs(before) if before else None,
                     _NORMAL_95 * error if error else None])  # fmt: skip
    better = [row for row in rows if row[4] > (row[6] or 0.0)]
    said = [
        f"{row[0]}: better by {number(row[4])}" + (f" ({percent(row[5])})" if row[5] is not None else "")
        for row in better
    ]
    note = "; ".join(said) + "." if better else "No trial is clearly better than the baseline."
    columns = ["objective", "baseline", "best", "trial", "gain", "relative", "95 % interval, ±"]
    level = Level.GOOD if better else Level.WARNING
    return Finding(level=level, note=note, table=Table(columns=columns, rows=rows))
