"""Which limits trials keep, by how much, and how likely the best keeps them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from scipy.special import ndtr

from meristem.objective import Objective, OutcomeConstraint
from meristem.reports.analysis import analysis
from meristem.reports.card import Figure, Finding, Group, Level, Table
from meristem.reports.evidence import Evidence, NothingToShow, finite, limit_as_objective
from meristem.reports.focus import focused_axis
from meristem.reports.style import (
    BLUE,
    GREEN,
    MOST_DOTS,
    RED,
    count_axis,
    figure,
    hovers,
    label,
    percent,
    rounded,
    some,
)
from meristem.trial import Trial

_MOST = 6
_RARELY, _UNSURE = 0.1, 0.8


@analysis(
    "Limits",
    Group.RESULTS,
    "Each point is a trial, at the value that a limit is about; the dashed line is the limit and red points break "
    "it. The table has the share of trials that keep each limit, and how likely the best trial (of a front: the "
    "least likely) keeps it once the noise of measuring is taken off, as a model of that metric believes.",
    applies=lambda evidence: bool(evidence.goals.constraints),
)
def feasibility(evidence: Evidence, objective: Objective) -> Finding:
    evidence.need_completed()
    limits = evidence.goals.constraints
    rows = [_row(evidence, limit) for limit in limits]
    shares = [row[3] for row in rows if row[3] is not None]
    every = float(evidence.feasible.mean())
    rows.append(["all limits", len(evidence.completed), int(evidence.feasible.sum()), every, None])
    likely = [row[4] for row in rows if row[4] is not None]
    note, level = f"{percent(every)} of the completed trials keep all limits.", Level.INFO
    if any(limit.relative for limit in limits) and evidence.baseline is None:
        note, level = (
            "A limit is relative to a baseline that has not completed: nothing is known to keep it.",
            Level.WARNING,
        )
    elif not evidence.feasible.any() or (shares and min(shares) < _RARELY):
        note, level = f"{note} Is a limit too tight, or does the space hold too little that keeps it?", Level.WARNING
    elif likely and min(likely) < _UNSURE:
        note, level = f"{note} It is not sure that the best trial keeps all of them: measure it again.", Level.WARNING
    columns = ["limit", "trials with a value", "keep it", "share", "probability for the best"]
    drawn = [found for limit in limits[:_MOST] if (found := _figure(evidence, limit)) is not None]
    return Finding(note=note, level=level, figures=drawn, table=Table(columns=columns, rows=rows))


def _row(evidence: Evidence, limit: OutcomeConstraint) -> list[Any]:
    excesses = [limit.excess(t.metrics, evidence.base_metrics) for t in evidence.completed]
    known = [excess for excess in excesses if excess is not None]
    kept = sum(excess <= 0 for excess in known)
    return [str(limit), len(known), kept, kept / len(known) if known else None, _likely(evidence, limit)]


def _likely(evidence: Evidence, limit: OutcomeConstraint) -> float | None:
    """How likely the best trial, or the least sure of a front, keeps a limit; None where nothing tells."""
    aim, bound = limit_as_objective(limit), bound_of(evidence, limit)
    if not evidence.leaders or bound is None:
        return None
    try:
        expected = evidence.insight(aim).predict([t.parameters for t in evidence.leaders])
    except NothingToShow:
        return None
    return min(float(ndtr((bound - e.mean) / max(e.std, 1e-300))) for e in expected)


def bound_of(evidence: Evidence, limit: OutcomeConstraint) -> float | None:
    """What the limit's sum may be at most; None where no trial tells."""
    aim = limit_as_objective(limit)
    for trial in evidence.completed:
        value, excess = aim.value(trial.metrics), limit.excess(trial.metrics, evidence.base_metrics)
        if value is not None and excess is not None and math.isfinite(value):
            return value - excess
    return None


def _figure(evidence: Evidence, limit: OutcomeConstraint) -> Figure | None:
    aim, bound = limit_as_objective(limit), bound_of(evidence, limit)
    # A lower limit is kept as an upper limit of what is turned round; people want to see the metric itself.
    sign = -1.0 if all(weight < 0 for weight in limit.terms.values()) else 1.0
    found = [(t, aim.value(t.metrics)) for t in evidence.completed]
    known = [(t, sign * v) for t, v in found if finite(v) and v is not None]
    if not known or bound is None:
        return None
    excess = {t.number: limit.excess(t.metrics, evidence.base_metrics) for t, _ in known}
    traces = []
    for name, colour, symbol, keeps in (("keeps it", BLUE, "circle", True), ("breaks it", RED, "x", False)):
        chosen = [(t, v) for t, v in known if ((e := excess[t.number]) is not None and e <= 0) == keeps]
        if chosen:
            traces.append(_dots(name, some(chosen, MOST_DOTS), {"color": colour, "symbol": symbol, "opacity": 0.7}))
    best = [(t, v) for t, v in known if t.number in {leader.number for leader in evidence.leaders[:1]}]
    if best and evidence.goals.single:
        traces.append(_dots("best", best, {"color": GREEN, "size": 11, "symbol": "diamond"}))
    terms = list(limit.terms.items())
    name = terms[0][0] if len(terms) == 1 and abs(terms[0][1]) == 1.0 else "value of the limit"
    axis, _ = focused_axis(name, [v for _, v in known], level=sign * bound)
    line = {
        "type": "line",
        "x0": 0,
        "x1": 1,
        "xref": "paper",
        "y0": sign * bound,
        "y1": sign * bound,
        "line": {"dash": "dash", "color": RED, "width": 1.5},
    }
    title = label(str(limit), 50)
    across = count_axis("trial", known[-1][0].number)
    return figure(traces, height=340, xaxis=across, yaxis=axis, shapes=[line], title=title, about=str(limit))


def _dots(name: str, chosen: Sequence[tuple[Trial, float]], marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [t.number for t, _ in chosen],
        "y": rounded([v for _, v in chosen]), "marker": {"size": 6, **marker}, "text": hovers([t for t, _ in chosen]),
        "hovertemplate": f"{name}: trial %{{x}}, %{{y}}<br>%{{text}}<extra></extra>",
    }  # fmt: skip
