"""What each point gives: as measured, and as the model believes after having seen all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meristem.controllers.insight import Prediction
from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Table
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.reports.focus import focused_axis
from meristem.reports.style import BLUE, GREY, ORANGE, figure, hovers, rounded

MOST = 40
_NORMAL_95 = 1.959964


@analysis(
    "Effects by trial",
    Group.RESULTS,
    "For each trial the value as measured (orange) and as a model expects it after seeing all trials (blue), with 95 "
    "% intervals; a measured value has one where its standard error is known. The best expected comes first. A trial "
    "whose measured value lies far on the good side of the expected one was probably lucky.",
    each_objective=True,
)
def arm_effects(evidence: Evidence, objective: Objective) -> Finding:
    values = evidence.values(objective)
    try:
        expected: list[Prediction | None] = [*evidence.predictions(objective)]
        reason = evidence.caution(objective)
        modelled = True
    except NothingToShow as found:
        expected, reason = [None] * len(values), f" There is no model: {found}"
        modelled = False
    order = sorted(
        range(len(values)), key=lambda i: objective.loss(float(values[i]) if (e := expected[i]) is None else e.mean)
    )
    sems = [objective.sem(trial.sems) for trial in evidence.completed]
    rows = [_row(evidence.completed[i].number, float(values[i]), sems[i], expected[i]) for i in order]
    shown = rows[:MOST]
    places = [f"#{row[0]}" for row in shown]
    trials = [evidence.completed[i] for i in order[:MOST]]
    texts = hovers(trials)
    traces = [_series("measured", places, [r[1] for r in shown], [(r[2], r[3]) for r in shown], ORANGE, texts)]
    if modelled:
        traces.append(_series("expected", places, [r[4] for r in shown], [(r[5], r[6]) for r in shown], BLUE, texts))
    level = None if evidence.baseline is None else evidence.value(evidence.baseline, objective)
    axis, outside = focused_axis(
        objective.metric, [r[1] for r in shown], level=level, also=[r[4] for r in shown if modelled]
    )
    layout: dict[str, Any] = {}
    if level is not None:
        layout["shapes"] = [{"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": level, "y1": level,
                             "line": {"dash": "dash", "color": GREY, "width": 1.5}}]  # fmt: skip
    horizontal = {
        "title": "trial, the best expected first" if modelled else "trial, the best first",
        "type": "category",
        "tickangle": -60 if len(shown) > 12 else 0,
    }
    drawn = figure(traces, xaxis=horizontal, yaxis=axis, **layout)
    columns = ["trial", "measured", "measured low", "measured high", "expected", "expected low", "expected high"]
    of = f"The {MOST} best of {len(rows)} trials are drawn." if len(rows) > MOST else ""
    base = " The dashed line is the baseline." if evidence.baseline is not None else ""
    note = (of + base + reason + outside).strip()
    return Finding(note=note, figures=[drawn], table=Table(columns=columns, rows=rows, most=15))


def _row(trial: int, value: float, sem: float | None, expected: Prediction | None) -> list[Any]:
    measured = [None, None] if sem is None else [value - _NORMAL_95 * sem, value + _NORMAL_95 * sem]
    if expected is None:
        return [trial, value, *measured, None, None, None]
    reach = _NORMAL_95 * expected.std
    return [trial, value, *measured, expected.mean, expected.mean - reach, expected.mean + reach]


def _series(
    name: str,
    places: Sequence[str],
    values: Sequence[float],
    ends: Sequence[tuple[Any, Any]],
    colour: str,
    texts: Sequence[str],
) -> dict[str, Any]:
    marker = {"color": colour, "size": 7, "symbol": "circle"}
    if name == "measured":  # seen also where both are equal
        marker |= {"size": 11, "symbol": "diamond-open", "line": {"width": 1.5}}
    bars = [0.0 if high is None else high - value for value, (_, high) in zip(values, ends, strict=True)]
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": list(places), "y": rounded(values),
        "marker": marker,
        "error_y": {"type": "data", "array": rounded(bars), "thickness": 1.2, "width": 3, "color": colour},
        "text": list(texts), "hovertemplate": f"{name} %{{y}} (trial %{{x}})<br>%{{text}}<extra></extra>",
    }  # fmt: skip
