"""How an objective changes along one parameter at a time, the others as in the best trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Figure, Finding, Group, Table
from meristem.reports.evidence import Array, Evidence, NothingToShow
from meristem.reports.focus import focused_axis
from meristem.reports.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    figure,
    number,
    parameter_axis,
    parameter_values,
    rounded,
    some,
)
from meristem.space import Choice
from meristem.trial import Trial

MOST = 6
_STEPS = 41
_NORMAL_95 = 1.959964


@analysis(
    "Slices",
    Group.INSIGHTS,
    "What the model expects along one parameter, with 95 % intervals, while all others stay as in the best trial "
    "(green). Grey points are trials as measured; their other parameters differ, so that they need not lie on the "
    "line. Where the band is wide, nothing was tried nearby.",
    each_objective=True,
)
def slices(evidence: Evidence, objective: Objective) -> Finding:
    centre = evidence.centre_of_interest
    names = [n for n in evidence.ranked(objective) if n in centre.parameters and _several(evidence, n)]
    if not names:
        raise NothingToShow("No parameter has more than one value.")
    rows: list[list[Any]] = []
    drawn = []
    for name in names[:MOST]:
        points = line_through(evidence, centre, name)
        expected = evidence.insight(objective).predict(points)
        line = [[p[name], e.mean, e.mean - _NORMAL_95 * e.std, e.mean + _NORMAL_95 * e.std]
                for p, e in zip(points, expected, strict=True)]  # fmt: skip
        drawn.append(_figure(evidence, objective, centre, name, line))
        rows += [[name, *row] for row in line]
    where = f"Through trial {centre.number} ({objective.metric} {number(evidence.value(centre, objective))})."
    more = f" {len(names) - MOST} parameters that matter less are left out." if len(names) > MOST else ""
    return Finding(
        note=f"{where}{more}{evidence.caution(objective)}",
        figures=drawn,
        table=Table(columns=["parameter", "value", "expected", "low", "high"], rows=rows, most=0),
    )


def _several(evidence: Evidence, name: str) -> bool:
    size = evidence.space.parameters[name].cardinality
    return size is None or size > 1


def places_along(evidence: Evidence, name: str, steps: int) -> Array:
    """Places in [0, 1] of the values of a parameter, evenly over its range."""
    parameter = evidence.space.parameters[name]
    size = parameter.cardinality
    if isinstance(parameter, Choice) or (size is not None and size <= steps and not getattr(parameter, "log", False)):
        count = size or 1
        return np.asarray((np.arange(count) + 0.5) / count)
    return np.linspace(0.0, 1.0, steps)


def line_through(evidence: Evidence, centre: Trial, name: str) -> list[dict[str, Any]]:
    """Points that differ from `centre` in one parameter (and in what exists only where it has certain values)."""
    column = evidence.space.dimensions.index(name)
    base = evidence.space.encode(centre.parameters)
    places = []
    for place in places_along(evidence, name, _STEPS):
        moved = base.copy()
        moved[column] = place
        places.append(moved)
    found: dict[str, dict[str, Any]] = {}
    for point in evidence.feasible_points(places):
        if point is not None:
            found.setdefault(repr(point[name]), point)
    return list(found.values())


def _figure(
    evidence: Evidence, objective: Objective, centre: Trial, name: str, line: Sequence[Sequence[Any]]
) -> Figure:
    parameter = evidence.space.parameters[name]
    x = parameter_values(parameter, [row[0] for row in line])
    mean, low, high = (rounded([row[k] for row in line]) for k in (1, 2, 3))
    tried = some([trial for trial in evidence.completed if name in trial.parameters])
    values = [evidence.value(trial, objective) for trial in tried]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "trials",
        "y": rounded(values),
        "x": parameter_values(parameter, [t.parameters[name] for t in tried]),
        "text": [f"trial {t.number}" for t in tried],
        "marker": {"color": GREY, "size": 4, "opacity": 0.45},
        "hovertemplate": "%{text}: %{y}<extra></extra>",
    }
    here = {
        "type": "scatter", "mode": "markers", "name": "best trial", "y": rounded([evidence.value(centre, objective)]),
        "x": parameter_values(parameter, [centre.parameters[name]]), "text": [f"trial {centre.number}"],
        "marker": {"color": GREEN, "size": 10, "symbol": "diamond"}, "hovertemplate": "%{text}: %{y}<extra></extra>",
    }  # fmt: skip
    if isinstance(parameter, Choice):
        model: list[dict[str, Any]] = [_bars(x, mean, [row[3] - row[1] for row in line])]
    else:
        model = [
            {
                "type": "scatter",
                "mode": "lines",
                "x": [*x, *x[::-1]],
                "y": [*high, *low[::-1]],
                "fill": "toself",
                "fillcolor": FAINT,
                "line": {"width": 0},
                "hoverinfo": "skip",
                "showlegend": False,
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": "expected",
                "x": x,
                "y": mean,
                "line": {"color": BLUE, "width": 2},
                "hovertemplate": "%{x}: expected %{y}<extra></extra>",
            },
        ]
    axis, _ = focused_axis(objective.metric, values, also=[end for row in line for end in row[1:]])
    across = parameter_axis(name, parameter)
    return figure([dots, *model, here], height=300, about=name, xaxis=across, yaxis=axis, showlegend=False)


def _bars(x: Sequence[Any], mean: Sequence[Any], reach: Sequence[float]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": "expected", "x": list(x), "y": list(mean),
        "marker": {"color": BLUE, "size": 8}, "hovertemplate": "%{x}: expected %{y}<extra></extra>",
        "error_y": {"type": "data", "array": rounded(reach), "color": BLUE, "thickness": 1.5, "width": 6},
    }  # fmt: skip
