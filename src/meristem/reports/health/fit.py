"""Can the metrics be predicted from the parameters?"""

from __future__ import annotations

import math
from typing import Any

from meristem.objective import Objective
from meristem.reports.analyses.cross_validation import rank_correlation
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import POOR_R2, Evidence, NothingToShow, limit_as_objective


@analysis(
    "Predictability",
    Group.HEALTH,
    "Whether a model predicts each objective and each limit from the parameters (R² of leave-one-out predictions). "
    "Below 0.1 it knows next to nothing: insights mean little, and a model-based search is hardly better than "
    "random. More trials, less noise or a better scale of the parameters (log) may help.",
)
def fit(evidence: Evidence, objective: Objective) -> Finding:
    evidence.need_completed()
    rows: list[list[Any]] = []
    reasons = []
    aims = [(o.metric, o) for o in evidence.goals.objectives]
    aims += [(str(limit), limit_as_objective(limit)) for limit in evidence.goals.constraints]
    for name, aim in aims:
        try:
            found = evidence.validation(aim)
        except NothingToShow as reason:
            reasons.append(f"{name}: {reason}")
            continue
        rows.append([name, found.r2, rank_correlation(found.observed, found.mean), len(found.observed)])
    table = Table(columns=["objective or limit", "R²", "rank correlation", "trials"], rows=rows) if rows else None
    poor = [row[0] for row in rows if not math.isnan(row[1]) and row[1] < POOR_R2]
    if poor:
        return Finding(level=Level.WARNING, note=f"Poorly predicted: {', '.join(poor)}.", table=table)
    if not rows:
        return Finding(note=" ".join(reasons))
    flat = [row[0] for row in rows if math.isnan(row[1])]
    if flat:
        return Finding(level=Level.WARNING, note=f"Always the same value: {', '.join(flat)}.", table=table)
    return Finding(level=Level.GOOD, note="All are predicted better than by their mean.", table=table)
