"""How the best so far has come about: the best value within the limits, or the hypervolume of the front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from meristem.bayesopt.ambition import infer_reference
from meristem.bayesopt.hypervolume import hypervolume
from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Table
from meristem.reports.evidence import Array, Evidence
from meristem.reports.focus import focused_axis
from meristem.reports.style import (
    BLUE,
    GREEN,
    GREY,
    MOST_DOTS,
    ORANGE,
    count_axis,
    figure,
    hovers,
    label,
    number,
    rounded,
    some,
    value_axis,
)

_EDGE = 0.012


@analysis(
    "Optimization trace",
    Group.RESULTS,
    "The line is the best found so far that keeps all limits; of several objectives the hypervolume, which is what "
    "the Pareto front beats. Where it has been flat for long, more trials help little; where it still moves, they "
    "may.",
)
def trace(evidence: Evidence, objective: Objective) -> Finding:
    evidence.need_completed()
    return _single(evidence, objective) if evidence.goals.single else _several(evidence)


def _single(evidence: Evidence, objective: Objective) -> Finding:
    numbers = [trial.number for trial in evidence.completed]
    values = evidence.values(objective)
    best = best_so_far(values, evidence.feasible, maximize=objective.maximize)
    axis, outside = focused_axis(objective.metric, [*values.tolist()])
    kept, broken = evidence.feasible, ~evidence.feasible
    traces = [_dots(evidence, values, broken, "breaks a limit", GREY, "x-thin"),
              _dots(evidence, values, kept, "trial", BLUE, "circle"),
              _steps(numbers, best, "best so far", objective.metric), _beyond(evidence, values, axis)]  # fmt: skip
    if evidence.baseline is not None:
        traces.append(_level(numbers, evidence.value(evidence.baseline, objective), "baseline"))
    drawn = figure([t for t in traces if t["x"]], xaxis=count_axis("trial", numbers[-1]), yaxis=axis)
    rows = [[n, b, v] for n, b, v in zip(numbers, best, values.tolist(), strict=True) if b == v]
    rows = [row for place, row in enumerate(rows) if place == 0 or row[1] != rows[place - 1][1]]
    note = _note(numbers, best, objective.metric) + outside
    return Finding(
        note=note, figures=[drawn], table=Table(columns=["trial", "best so far"], rows=[r[:2] for r in rows])
    )


def best_so_far(values: Array, allowed: np.ndarray[Any, Any], *, maximize: bool) -> list[float | None]:
    """The best of the first values that are allowed, one a value; None before the first."""
    found: list[float | None] = []
    best: float | None = None
    for value, keeps in zip(values.tolist(), allowed.tolist(), strict=True):
        if keeps and (best is None or (value > best if maximize else value < best)):
            best = value
        found.append(best)
    return found


def _note(numbers: Sequence[int], best: Sequence[float | None], what: str) -> str:
    if not best or best[-1] is None:
        return "No trial keeps all limits yet."
    since = next(i for i, value in enumerate(best) if value == best[-1])
    after = len(best) - 1 - since
    came = f"The best {what}, {number(best[-1])}, came with trial {numbers[since]}"
    return f"{came}; {after} completed since without a better."


def _several(evidence: Evidence) -> Finding:
    reference, given = reference_of(evidence)
    volumes = volumes_so_far(evidence, reference)
    numbers = [trial.number for trial in evidence.completed]
    worst = ", ".join(
        f"{o.metric} {number(o.loss(loss))}" for o, loss in zip(evidence.goals.objectives, reference, strict=True)
    )
    axis = value_axis("hypervolume")
    drawn = figure(
        [_steps(numbers, volumes, "hypervolume", "hypervolume")], xaxis=count_axis("trial", numbers[-1]), yaxis=axis
    )
    how = "the thresholds" if given else "values a little worse than the front, as the study has no thresholds"
    note = f"The hypervolume is {number(volumes[-1])}, measured from {how} ({worst})."
    rows = [
        [n, v]
        for place, (n, v) in enumerate(zip(numbers, volumes, strict=True))
        if place == 0 or v != volumes[place - 1]
    ]
    return Finding(note=note, figures=[drawn], table=Table(columns=["trial", "hypervolume"], rows=rows))


def reference_of(evidence: Evidence) -> tuple[Array, bool]:
    """From where the hypervolume is measured, as losses; and whether thresholds alone say so."""
    thresholds = evidence.goals.reference()
    losses = [evidence.goals.losses(t.metrics) for t in evidence.completed]
    known = np.array([row for row in losses if row is not None], dtype=float)
    allowed = known[evidence.feasible] if evidence.feasible.any() else known
    return infer_reference(allowed, thresholds), all(t is not None for t in thresholds)


def volumes_so_far(evidence: Evidence, reference: Array) -> list[float]:
    """The hypervolume after each completed trial."""
    front: list[tuple[float, ...]] = []
    found, volume = [], 0.0
    for trial, keeps in zip(evidence.completed, evidence.feasible.tolist(), strict=True):
        losses = evidence.goals.losses(trial.metrics)
        if keeps and losses is not None and not any(_as_good(other, losses) for other in front):
            front = [other for other in front if not _as_good(losses, other)] + [losses]
            volume = hypervolume(front, reference)
        found.append(float(volume))
    return found


def _as_good(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _dots(
    evidence: Evidence, values: Array, chosen: np.ndarray[Any, Any], name: str, colour: str, symbol: str
) -> dict[str, Any]:
    places = some(np.flatnonzero(chosen).tolist(), MOST_DOTS)
    trials = [evidence.completed[place] for place in places]
    marker = {
        "color": colour,
        "symbol": symbol,
        "size": 6,
        "opacity": 0.55,
        "line": {"width": 1.5 if symbol != "circle" else 0, "color": colour},
    }
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [t.number for t in trials],
        "y": rounded(values[places].tolist()), "marker": marker, "text": hovers(trials),
        "hovertemplate": "trial %{x}: %{y}<br>%{text}<extra></extra>",
    }  # fmt: skip


def _steps(numbers: Sequence[int], values: Sequence[float | None], name: str, what: str) -> dict[str, Any]:
    # With one value a line would be invisible.
    few = sum(value is not None for value in values) < 2
    last = len(values) - 1
    turns = [place for place, value in enumerate(values) if place in (0, last) or value != values[place - 1]]
    return {
        "type": "scatter", "mode": "lines+markers" if few else "lines", "name": name,
        "x": [numbers[place] for place in turns],
        "y": rounded([math.nan if (v := values[place]) is None else v for place in turns]),
        "line": {"shape": "hv", "color": GREEN, "width": 2.5},
        "hovertemplate": f"after trial %{{x}}: {label(what)} %{{y}}<extra></extra>",
    }  # fmt: skip


def _beyond(evidence: Evidence, values: Array, axis: Mapping[str, Any]) -> dict[str, Any]:
    """Trials whose values lie outside the figure, at the edge beyond which they lie."""
    low, high = axis["range"] if "outside" in axis else (-math.inf, math.inf)
    inside = _EDGE * (high - low)  # Plotly draws nothing that lies on the edge itself
    places = some(np.flatnonzero((values < low) | (values > high)).tolist(), MOST_DOTS)
    trials = [evidence.completed[place] for place in places]
    return {
        "type": "scatter", "mode": "markers", "name": "outside", "x": [t.number for t in trials], "cliponaxis": False,
        "y": rounded([low + inside if values[place] < low else high - inside for place in places]),
        "marker": {"color": ORANGE, "size": 8, "symbol": ["triangle-down" if values[place] < low else "triangle-up"
                                                           for place in places]},
        "text": [number(values[place]) for place in places],
        "hovertemplate": "trial %{x}: %{text}<extra></extra>",
    }  # fmt: skip


def _level(numbers: Sequence[int], value: float, name: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": [numbers[0], numbers[-1]], "y": rounded([value, value]),
        "line": {"dash": "dash", "color": GREY, "width": 1.5}, "hovertemplate": f"{name} %{{y}}<extra></extra>",
    }  # fmt: skip
