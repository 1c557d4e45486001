"""Were points tried more than once?"""

from __future__ import annotations

from typing import Any

import numpy as np

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import Evidence
from meristem.reports.style import percent
from meristem.trial import Trial

_MANY = 0.2


@analysis(
    "Repeated points",
    Group.HEALTH,
    "Points of the space that were tried more than once. Repeating tells how noisy the objective is, but where it is "
    "not noisy, it is wasted.",
)
def duplicates(evidence: Evidence, objective: Objective) -> Finding:
    if not evidence.trials:
        return Finding(note="There are no trials yet.")
    groups = repeated(evidence)
    if not groups:
        return Finding(level=Level.GOOD, note="Every trial tried another point.")
    extra = sum(len(group) - 1 for group in groups)
    share = extra / len(evidence.trials)
    rows = [_row(group, objective) for group in groups]
    table = Table(columns=["trials", "times", "least", "most", "standard deviation"], rows=rows, most=15)
    note = f"{extra} of {len(evidence.trials)} trials repeat a point that was tried before ({percent(share)})."
    return Finding(level=Level.WARNING if share > _MANY else Level.INFO, note=note, table=table)


def repeated(evidence: Evidence) -> list[list[Trial]]:
    """Trials of the same point, where there are several, the most frequent first."""
    found: dict[str, list[Trial]] = {}
    for trial in evidence.trials:
        found.setdefault(evidence.space.key(trial.parameters), []).append(trial)
    return sorted((group for group in found.values() if len(group) > 1), key=lambda group: -len(group))


def _row(group: list[Trial], objective: Objective) -> list[Any]:
    values = [t.values[objective.metric] for t in group if t.status == "completed" and objective.metric in t.values]
    shown = ", ".join(str(t.number) for t in group[:10]) + (", …" if len(group) > 10 else "")
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return [shown, len(group), min(values, default=None), max(values, default=None), spread]
