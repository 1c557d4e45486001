"""Do the best trials lie at the edge of the space, so that better ones may lie beyond?"""

from __future__ import annotations

import numpy as np

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import Array, Evidence
from meristem.reports.style import number
from meristem.space import Float, Int

_EDGE = 0.02  # how near to an end counts as at it, as a share of the range (on its own scale)
_TOP, _FEWEST = 0.1, 5
_MANY = 0.5


@analysis(
    "Edge of the space",
    Group.HEALTH,
    "Whether the best trials lie at the end of a parameter's range: better ones may then lie beyond, and the range "
    "should be made wider if that makes sense.",
)
def boundary(evidence: Evidence, objective: Objective) -> Finding:
    evidence.need_completed()
    if not evidence.leaders:
        return Finding(note="No trial keeps all limits yet, so that there is no best.")
    best = _best_rows(evidence, objective)
    top = evidence.unit[best]
    rows = []
    for column, name in enumerate(evidence.space.dimensions):
        parameter = evidence.space.parameters[name]
        size = parameter.cardinality
        if not isinstance(parameter, (Float, Int)) or (size is not None and size < 4):
            continue
        side = edge_of(top[:, column], 1.0 / size if size is not None and size < 1 / _EDGE else _EDGE)
        if side:
            end = parameter.low if side < 0 else parameter.high
            rows.append([name, "lower" if side < 0 else "upper", end, evidence.trials[best[0]].parameters.get(name)])
    if not rows:
        return Finding(level=Level.GOOD, note="The best trials lie inside the space.")
    what = ", ".join(f"{row[0]} ({row[1]} end, {number(row[2])})" for row in rows[:5])
    note = f"The best trials lie at the edge in {what}: consider a wider range there."
    table = Table(columns=["parameter", "end", "its value", "best trial"], rows=rows)
    return Finding(level=Level.WARNING, note=note, table=table)


def edge_of(places: Array, edge: float) -> int:
    """-1 or 1 where the first place lies at that end of [0, 1], and so do half of the others; else 0.

    Args:
        places: Of the best trials, the best first, shape (n,); NaN where the parameter does not exist.
    """
    known = places[np.isfinite(places)]
    if not len(known) or not np.isfinite(places[0]):
        return 0
    for side, near in ((-1, known <= edge), (1, known >= 1.0 - edge)):
        if near[0] and near.mean() >= _MANY:
            return side
    return 0


def _best_rows(evidence: Evidence, objective: Objective) -> list[int]:
    """Places in `trials` of the best: the front, or the best tenth within the limits."""
    place = {trial.number: i for i, trial in enumerate(evidence.trials)}
    if not evidence.goals.single:
        return [place[trial.number] for trial in evidence.leaders]
    kept = [t for t, keeps in zip(evidence.completed, evidence.feasible.tolist(), strict=True) if keeps]
    kept.sort(key=lambda t: (objective.loss(evidence.value(t, objective)), t.number))
    count = max(min(_FEWEST, len(kept)), round(_TOP * len(kept)))
    return [place[trial.number] for trial in kept[:count]]
