"""Did trials fail, or not measure what was asked of them?"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import Evidence
from meristem.reports.style import percent
from meristem.trial import Trial

_MANY = 0.5


@analysis(
    "Failures and missing metrics",
    Group.HEALTH,
    "Trials that failed, grouped by why (numbers left out), and metrics that objectives or limits need but that were "
    "missing, NaN or infinite. What fails teaches the search only that it fails.",
)
def measuring(evidence: Evidence, objective: Objective) -> Finding:
    if not evidence.ended:
        return Finding(note="No trial has ended yet.")
    failed = [t for t in evidence.ended if t.status == "failed"]
    rows = [[f"failed: {why}", len(found), _listed(found)] for why, found in grouped(failed)]
    rows += [row for name in evidence.goals.metrics for row in _missing(name, evidence.ended)]
    if not rows:
        return Finding(level=Level.GOOD, note=f"All {len(evidence.ended)} ended trials measured what was asked.")
    share = len(failed) / len(evidence.ended)
    note = (
        f"{len(failed)} of {len(evidence.ended)} ended trials failed ({percent(share)})."
        if failed
        else "Metrics are missing."
    )
    level = Level.ERROR if share > _MANY else Level.WARNING
    return Finding(note=note, level=level, table=Table(columns=["what", "trials", "which"], rows=rows))


def grouped(failed: Sequence[Trial]) -> list[tuple[str, list[Trial]]]:
    """Failed trials by what their errors have in common, the most frequent first."""
    found: dict[str, list[Trial]] = {}
    for trial in failed:
        why = re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?([eE][-+]?\d+)?", "…", (trial.error or "no reason given").splitlines()[0])
        found.setdefault(why[:160], []).append(trial)
    return sorted(found.items(), key=lambda item: -len(item[1]))


def _missing(name: str, trials: Sequence[Trial]) -> list[list[Any]]:
    finished = [t for t in trials if t.status == "completed"]
    absent = [t for t in finished if name not in t.metrics]
    odd = [t for t in trials if name in t.metrics and not math.isfinite(t.metrics[name])]
    rows = [[f"{name} is missing though the trial completed", len(absent), _listed(absent)]] if absent else []
    return rows + ([[f"{name} was NaN or infinite", len(odd), _listed(odd)]] if odd else [])


def _listed(trials: Sequence[Trial]) -> str:
    shown = ", ".join(str(t.number) for t in trials[:10])
    return shown + (", …" if len(trials) > 10 else "")
