"""Has the space been used up?"""

from __future__ import annotations

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level
from meristem.reports.evidence import Evidence
from meristem.reports.style import percent

_NEARLY = 0.9


@analysis(
    "Exhausted space",
    Group.HEALTH,
    "How much of a finite space has been tried. When nearly all has been, more trials need a larger space.",
)
def exhausted(evidence: Evidence, objective: Objective) -> Finding:
    size = evidence.space.size
    if size is None:
        return Finding(level=Level.GOOD, note="The space has infinitely many points.")
    tried = len({evidence.space.key(trial.parameters) for trial in evidence.trials})
    note = f"{tried:,} of {size:,} points have been tried ({percent(tried / size) if size else 'there are none'})."
    if not size or tried / size >= _NEARLY:
        return Finding(level=Level.WARNING, note=f"{note} There is next to nothing left to try.")
    return Finding(level=Level.GOOD, note=note)
