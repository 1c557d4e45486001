"""How much time trials have taken in all, and on what it went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Table
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.reports.style import (
    MOST_DOTS,
    STATUS_COLOURS,
    count_axis,
    figure,
    percent,
    rounded,
    seconds,
    some,
    time_unit,
)
from meristem.trial import Trial


@analysis(
    "Cumulative time",
    Group.DIAGNOSTICS,
    "The time that trials took, added up in the order in which they ended, by what came of them (last attempts "
    "only). A steep part has slow trials; what failed trials took is lost.",
)
def cumulative_time(evidence: Evidence, objective: Objective) -> Finding:
    ran = sorted((t for t in evidence.ended if t.seconds is not None), key=lambda t: t.ended_at or 0.0)
    if not ran:
        raise NothingToShow("No trial has run yet.")
    total = sum(t.seconds or 0.0 for t in ran)
    size, unit = time_unit(total)
    kinds = [status for status in STATUS_COLOURS if any(t.status.value == status for t in ran)]
    traces = [_area(kind, ran, size) for kind in kinds]
    drawn = figure(
        traces, xaxis=count_axis("trials ended", len(ran)), yaxis={"title": f"{unit} of trials", "rangemode": "tozero"}
    )
    rows: list[list[Any]] = []
    for kind in kinds:
        took = [t.seconds or 0.0 for t in ran if t.status.value == kind]
        rows.append([kind, len(took), sum(took), sum(took) / len(took), max(took)])
    lost = sum(t.seconds or 0.0 for t in ran if t.status.value == "failed")
    note = f"Trials took {seconds(total)} in all"
    note += f", of which {percent(lost / total)} went into failed ones." if lost and total else "."
    return Finding(
        note=note, figures=[drawn], table=Table(columns=["status", "trials", "seconds", "mean", "longest"], rows=rows)
    )


def _area(kind: str, ran: Sequence[Trial], size: float) -> dict[str, Any]:
    grown = list(accumulate(t.seconds or 0.0 if t.status.value == kind else 0.0 for t in ran))
    points = some(list(enumerate(grown, 1)), MOST_DOTS)
    return {
        "type": "scatter", "mode": "lines", "name": kind, "stackgroup": "time", "x": [count for count, _ in points],
        "y": rounded([value / size for _, value in points]), "line": {"width": 1, "color": STATUS_COLOURS[kind]},
        "hovertemplate": f"{kind}: %{{y}} after %{{x}} trials<extra></extra>",
    }  # fmt: skip
