"""All trials as lines through their parameters to their objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.reports.focus import focus_of
from meristem.reports.style import (
    GREY,
    SCALE,
    figure,
    label,
    labels,
    number,
    rounded,
    short_names,
    some,
)
from meristem.reports.ticks import around, log_ticks, round_ticks, sample_evenly, with_ends
from meristem.space import Choice, Fixed, Float, Int
from meristem.space.parameters import Parameter

MOST_AXES, MOST_LINES = 12, 1000
_MOST_TICKS = 8
_BELOW = 0.14  # how far below its range, as a share of it, a parameter that does not exist is drawn


@analysis(
    "Parallel coordinates",
    Group.RESULTS,
    "Each line is a trial: it crosses every axis at its value there and is coloured by its objective: the darker, "
    "the better. Drag along an axis to keep only the lines through that part; drag an axis by its name to move it. "
    "Where good lines meet, a parameter matters; where they are spread, it does not. At '–' the parameter does not "
    "exist in that trial; values beyond a tick with ≤ or ≥ are drawn at it.",
)
def parallel_coordinates(evidence: Evidence, objective: Objective) -> Finding:
    values = evidence.values(objective)
    names = _chosen(evidence, objective)
    axes = [_parameter_axis(evidence, name, short) for name, short in zip(names, labels(names, 18), strict=True)]
    axes += [_value_axis(o.metric, evidence.values(o).tolist()) for o in evidence.goals.objectives]
    low, high, ticks = _scale(values.tolist())
    order = drawn_order([objective.loss(value) for value in values.tolist()])
    for axis in axes:
        axis["values"] = [axis["values"][place] for place in order]
    line: dict[str, Any] = {
        "color": rounded(values[order].tolist()), "colorscale": SCALE, "cmin": low, "cmax": high,
        "reversescale": objective.maximize,
        "colorbar": {"thickness": 12, "title": {"text": label(objective.metric, 24), "side": "right"},
                     "tickvals": [place for place, _ in ticks], "ticktext": [text for _, text in ticks]},
    } if values.min() < values.max() else {"color": GREY}  # no value is good or bad  # fmt: skip
    trace = {"type": "parcoords", "dimensions": axes, "line": line, "labelangle": -18, "labelside": "top",
             "unselected": {"line": {"color": "#D5D8DC", "opacity": 0.25}}}  # fmt: skip
    drawn = figure(
        [trace], height=460, margin={"l": 70, "r": 30, "t": 96, "b": 28}, meta={"width": 120 + 72 * len(axes)}
    )
    left = len(_searched(evidence)) - len(names)
    notes = [f"The {len(names)} parameters that matter most; {left} are left out."] if left else []
    if len(order) < len(values):
        notes.append(f"{len(order)} of {len(values)} trials are drawn, all of the best among them.")
    notes += [_cut_note(o.metric, evidence.values(o).tolist()) for o in evidence.goals.objectives]
    return Finding(note=" ".join(filter(None, notes)), figures=[drawn])


def drawn_order(losses: Sequence[float]) -> list[int]:
    """Which trials are drawn, the best last and so on top: of very many the best ones, and of the others some."""
    ranked = sorted(range(len(losses)), key=lambda place: -losses[place])
    best = ranked[-(MOST_LINES // 2) :]
    return [*some(ranked[: len(ranked) - len(best)], MOST_LINES - len(best)), *best]


def _searched(evidence: Evidence) -> list[str]:
    kinds = evidence.space.parameters
    return [name for name in evidence.space.names if not isinstance(kinds[name], Fixed)]


def _chosen(evidence: Evidence, objective: Objective) -> list[str]:
    names = _searched(evidence)
    if len(names) <= MOST_AXES:
        return names
    try:
        first = set(evidence.ranked(objective)[:MOST_AXES])
    except NothingToShow:
        first = set(names[:MOST_AXES])
    return [name for name in names if name in first]


def _parameter_axis(evidence: Evidence, name: str, short: str) -> dict[str, Any]:
    parameter = evidence.space.parameters[name]
    places = [_place(parameter, t.parameters[name]) if name in t.parameters else None for t in evidence.completed]
    low, high = _ends(parameter)
    ticks = _ticks(parameter, low, high)
    if None in places:
        missing = low - _BELOW * ((high - low) or 1.0)
        places = [missing if place is None else place for place in places]
        ticks, low = [(missing, "–"), *ticks], missing
    if low == high:
        low, high = low - 0.5, high + 0.5
    return {
        "label": short, "values": rounded(places), "range": [low, high],
        "tickvals": [place for place, _ in ticks], "ticktext": [text for _, text in ticks],
    }  # fmt: skip


def _place(parameter: Parameter, value: Any) -> float:
    if isinstance(parameter, Choice):
        return float(list(map(repr, parameter.choices)).index(repr(value)))
    return math.log10(value) if getattr(parameter, "log", False) else float(value)


def _ends(parameter: Parameter) -> tuple[float, float]:
    if isinstance(parameter, Choice):
        return 0.0, float(len(parameter.choices) - 1)
    assert isinstance(parameter, (Float, Int))
    return _place(parameter, parameter.low), _place(parameter, parameter.high)


def _ticks(parameter: Parameter, low: float, high: float) -> list[tuple[float, str]]:
    # Plotly shows these ticks as they are, unlike other texts.
    if isinstance(parameter, Choice):
        names = short_names(parameter.choices, 14)
        return [(float(place), names[place]) for place in sample_evenly(len(names), _MOST_TICKS)]
    assert isinstance(parameter, (Float, Int))
    if parameter.log:
        inner = [math.log10(tick) for tick in log_ticks(parameter.low, parameter.high)]
    else:
        inner = round_ticks(low, high, whole=isinstance(parameter, Int))
    ends = {low: parameter.low, high: parameter.high}
    return [(place, number(ends.get(place, _value(parameter, place)))) for place in with_ends(inner, low, high)]


def _value(parameter: Float | Int, place: float) -> float:
    value = 10**place if parameter.log else place
    return round(value) if isinstance(parameter, Int) else value


def _value_axis(name: str, values: Sequence[float]) -> dict[str, Any]:
    low, high, ticks = _scale(values)
    return {"label": label(name, 18), "values": rounded([min(max(v, low), high) for v in values]), "range": [low, high],
            "tickvals": [place for place, _ in ticks], "ticktext": [text for _, text in ticks]}  # fmt: skip


def _scale(values: Sequence[float]) -> tuple[float, float, list[tuple[float, str]]]:
    """From where to where the values of an objective are drawn, and its ticks; what lies beyond is told by the last."""
    found = focus_of(values)
    ends = (found.low, found.high) if found else (min(values), max(values))
    low, high = around(*ends, most=_MOST_TICKS)
    if low == high:
        low, high = low - 0.5, high + 0.5
    marks = {low: "≤ " if min(values) < low else "", high: "≥ " if max(values) > high else ""}
    ticks = sorted({low, *round_ticks(low, high, most=_MOST_TICKS), high})
    return low, high, [(tick, marks.get(tick, "") + number(tick, 7)) for tick in ticks]


def _cut_note(name: str, values: Sequence[float]) -> str:
    low, high, _ = _scale(values)
    count = sum(not low <= v <= high for v in values)
    if not count:
        return ""
    lie = "value lies far beyond the others and is" if count == 1 else "values lie far beyond the others and are"
    return f"Of {name}, {count} {lie} drawn at the end of the axis."
