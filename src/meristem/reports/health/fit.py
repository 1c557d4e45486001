"""Can the metrics be predicted from the parameters, and does the model know how well?"""

from __future__ import annotations

import math
from typing import Any

from meristem.objective import Objective
from meristem.reports.analyses.cross_validation import over_confident, rank_correlation
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import POOR_R2, Evidence, NothingToShow, limit_as_objective
from meristem.reports.style import percent

_LEVEL = 0.95


@analysis(
    "Predictability",
    Group.HEALTH,
    "Whether a model predicts each objective and each limit from the parameters (R² of leave-one-out predictions). "
    "Below 0.1 it knows next to nothing: insights mean little, and a model-based search is hardly better than "
    "random. More trials, less noise or a better scale of the parameters (log) may help. And whether it knows how "
    "wrong it may be: where far fewer than 95 % of the values lie inside their 95 % intervals, it is over-confident, "
    "and true values lie outside the intervals of this report more often than they should.",
)
def fit(evidence: Evidence, objective: Objective) -> Finding:
    evidence.need_completed()
    rows: list[list[Any]] = []
    reasons, bold = [], []
    aims = [(o.metric, o) for o in evidence.goals.objectives]
    aims += [(str(limit), limit_as_objective(limit)) for limit in evidence.goals.constraints]
    for name, aim in aims:
        try:
            found = evidence.validation(aim)
        except NothingToShow as reason:
            reasons.append(f"{name}: {reason}")
            continue
        inside = math.nan if math.isnan(found.r2) else found.coverage(_LEVEL)
        rank = rank_correlation(found.observed, found.mean)
        rows.append([name, found.r2, rank, inside, len(found.observed)])
        bold += [f"{name} ({percent(inside)} inside 95 % intervals)"] if over_confident(found) else []
    if not rows:
        return Finding(note=" ".join(reasons))
    columns = ["objective or limit", "R²", "rank correlation", "inside 95 % intervals", "trials"]
    poor = [row[0] for row in rows if not math.isnan(row[1]) and row[1] < POOR_R2]
    flat = [row[0] for row in rows if math.isnan(row[1])]
    kinds = (("Poorly predicted", poor), ("Over-confident, intervals are too narrow", bold),
             ("Always the same value", flat))  # fmt: skip
    wrong = [f"{what}: {', '.join(names)}." for what, names in kinds if names]
    good = "All are predicted better than by their mean."
    return Finding(
        level=Level.WARNING if wrong else Level.GOOD,
        note=" ".join(wrong) or good,
        table=Table(columns=columns, rows=rows),
    )
