"""How an objective changes over two parameters at a time, the others as in the best trial."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

from meristem.objective import Objective
from meristem.reports.analyses.slices import places_along
from meristem.reports.analysis import analysis
from meristem.reports.card import Figure, Finding, Group, Table
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.reports.style import NEUTRAL, SCALE, figure, label, parameter_axis, parameter_values, rounded, some
from meristem.space import Choice
from meristem.trial import Trial

MOST = 4
_STEPS = 25
_WIDEST = 4  # of how many parameters that matter most the pairs are considered


@analysis(
    "Contours",
    Group.INSIGHTS,
    "What the model expects over two parameters, while all others stay as in the best trial (white diamond); points "
    "are trials. The pairs are those that matter most. Contours that run askew mean that the best value of one "
    "parameter depends on the other. The darker, the better. Where something is left blank, the space has no points "
    "or one of the two does not exist.",
    each_objective=True,
)
def contours(evidence: Evidence, objective: Objective) -> Finding:
    centre = evidence.centre_of_interest
    usable = [n for n in evidence.ranked(objective) if n in centre.parameters
              and evidence.space.parameters[n].cardinality != 1]  # fmt: skip
    if len(usable) < 2:
        raise NothingToShow("There are not two parameters to choose in the best trial.")
    shares = evidence.shares(objective)

    def weight(pair: tuple[str, str]) -> float:
        together = shares.second.get(pair, shares.second.get(pair[::-1], 0.0))
        return -(shares.total[pair[0]] + shares.total[pair[1]] + together)

    pairs = sorted(combinations(usable[:_WIDEST], 2), key=weight)[:MOST]
    rows: list[list[Any]] = []
    drawn = []
    for x, y in pairs:
        cells = plane_through(evidence, objective, centre, x, y)
        drawn.append(_figure(evidence, objective, centre, (x, y), cells))
        rows += [[x, cell[0], y, cell[1], cell[2]] for cell in cells if cell[2] is not None]
    columns = ["first parameter", "its value", "second parameter", "its value", "expected"]
    return Finding(
        note=evidence.caution(objective).strip(), figures=drawn, table=Table(columns=columns, rows=rows, most=0)
    )


def plane_through(
    evidence: Evidence, objective: Objective, centre: Trial, x: str, y: str
) -> list[tuple[Any, Any, float | None]]:
    """Values of both parameters and what is expected there (None outside the space), row by row of y."""
    space = evidence.space
    columns = space.dimensions.index(x), space.dimensions.index(y)
    base = space.encode(centre.parameters)
    ends = [places_along(evidence, name, _STEPS) for name in (x, y)]
    places = []
    for up in ends[1]:
        for right in ends[0]:
            moved = base.copy()
            moved[columns[0]], moved[columns[1]] = right, up
            places.append(moved)
    points = evidence.feasible_points(places)
    usable = [p if p is not None and x in p and y in p else None for p in points]
    known = [point for point in usable if point is not None]
    means = iter(evidence.insight(objective).predict(known))
    raw = [space.decode(place) for place in places]
    return [(r.get(x), r.get(y), None if p is None else next(means).mean) for r, p in zip(raw, usable, strict=True)]


def _figure(
    evidence: Evidence, objective: Objective, centre: Trial, names: tuple[str, str],
    cells: list[tuple[Any, Any, float | None]],
) -> Figure:  # fmt: skip
    x, y = names
    kinds = [evidence.space.parameters[name] for name in names]
    width = len(places_along(evidence, x, _STEPS))
    rows = [cells[i : i + width] for i in range(0, len(cells), width)]
    # Where one of the two does not exist, other rows or columns tell its value.
    right = [next((row[i][0] for row in rows if row[i][0] is not None), None) for i in range(width)]
    above = [next((cell[1] for cell in row if cell[1] is not None), None) for row in rows]
    across, up = parameter_values(kinds[0], right), parameter_values(kinds[1], above)
    table = [rounded([math.nan if cell[2] is None else cell[2] for cell in row]) for row in rows]
    smooth = not any(isinstance(kind, Choice) for kind in kinds)
    known = [cell[2] for cell in cells if cell[2] is not None]
    flat = not known or max(known) == min(known)  # the ends of a scale would mean something
    surface: dict[str, Any] = {
        "type": "contour" if smooth else "heatmap", "x": across, "y": up, "z": table,
        "colorscale": [[0, NEUTRAL], [1, NEUTRAL]] if flat else SCALE, "showscale": not flat,
        "reversescale": objective.maximize, "hovertemplate": "(%{x}, %{y}): expected %{z}<extra></extra>",
        "colorbar": {"thickness": 12, "title": {"text": label(objective.metric, 16), "side": "right"}},
        **({"ncontours": 14, "line": {"width": 0.5, "color": "rgba(255,255,255,0.5)"}} if smooth else {}),
    }  # fmt: skip
    tried = some([trial for trial in evidence.completed if x in trial.parameters and y in trial.parameters])
    dots = _dots(kinds, names, tried, {"color": "white", "size": 4, "line": {"width": 0.8, "color": "#22262B"}})
    here = _dots(kinds, names, [centre], {"color": "white", "size": 12, "symbol": "diamond",
                                          "line": {"width": 2, "color": "#22262B"}})  # fmt: skip
    axes = {}
    for axis, name, kind in zip(("xaxis", "yaxis"), names, kinds, strict=True):
        axes[axis] = {**parameter_axis(name, kind, longest=32), "showgrid": False}
        if not isinstance(kind, Choice):
            axes[axis].pop("range", None)
            axes[axis]["range"] = _ends(kind, across if axis == "xaxis" else up, smooth)
    return figure([surface, dots, here], height=380, about=f"{x} and {y}", showlegend=False, **axes)


def _ends(kind: Any, places: list[Any], smooth: bool) -> list[float]:
    places = [place for place in places if place is not None]
    low, high = float(min(places)), float(max(places))
    if getattr(kind, "log", False):
        return [math.log10(low), math.log10(high)]
    half = 0.5 * (places[1] - places[0]) if kind.cardinality is not None and not smooth else 0.0
    return [low - half, high + half]


def _dots(kinds: list[Any], names: tuple[str, str], trials: list[Trial], marker: dict[str, Any]) -> dict[str, Any]:
    across, up = (
        parameter_values(kind, [trial.parameters[name] for trial in trials])
        for kind, name in zip(kinds, names, strict=True)
    )
    return {
        "type": "scatter", "mode": "markers", "x": across, "y": up, "marker": marker, "cliponaxis": False,
        "text": [f"trial {t.number}" for t in trials], "hovertemplate": "%{text} (%{x}, %{y})<extra></extra>",
    }  # fmt: skip
