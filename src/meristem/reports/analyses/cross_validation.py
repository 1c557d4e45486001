"""How far the model can be trusted: each value beside what the model says of it without having seen it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import bdtr

from meristem.bayesopt.cross_validation import CrossValidation
from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Figure, Finding, Group, Table
from meristem.reports.evidence import Array, Evidence
from meristem.reports.style import BLUE, GREY, figure, label, number, percent, rounded
from meristem.reports.ticks import sample_evenly

_NORMAL_95 = 1.959964
_MOST_POINTS, _MOST_BARS = 500, 100
_LEVELS = (0.5, 0.8, 0.9, 0.95)
_FEW_INSIDE = 0.85  # of the values inside 95 % intervals: what is above is near enough to go by
_FEWEST = 30
_CHANCE = 0.001  # that intervals which are right hold so few


@analysis(
    "Cross-validation",
    Group.DIAGNOSTICS,
    "Each trial's value beside what the model predicts from all others (leave-one-out), with 95 % intervals. On the "
    "diagonal the prediction is right. R² is 1 for perfect predictions and 0 for useless ones; the rank correlation "
    "says whether better trials are told from worse ones; intervals are calibrated where the second curve runs along "
    "its diagonal (above: too wide, below: too narrow). Insights are worth what this is worth.",
    each_objective=True,
)
def cross_validation(evidence: Evidence, objective: Objective) -> Finding:
    found = evidence.validation(objective)
    rho = rank_correlation(found.observed, found.mean)
    rows: list[list[Any]] = [["trials", len(found.observed)], ["R²", found.r2], ["rank correlation", rho],
                             ["mean log density", found.log_density]]  # fmt: skip
    rows += [[f"share inside {100 * level:g} % intervals", found.coverage(level)] for level in _LEVELS]
    if math.isnan(found.r2):
        return Finding(note="All trials have the same value: there is nothing to predict.")
    note = f"R² {number(round(found.r2, 3))}, rank correlation {number(round(rho, 3))}; "
    note += f"{percent(found.coverage(0.95))} of the values lie inside their 95 % intervals."
    note += " The model is over-confident: its intervals are too narrow." if over_confident(found) else ""
    table = Table(columns=["diagnostic", "value"], rows=rows)
    return Finding(note=note, figures=[_scatter(found, objective), _calibration(found)], table=table)


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's; NaN where one of them does not vary."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    from scipy.stats import rankdata  # slow to import

    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def over_confident(found: CrossValidation) -> bool:
    """Whether far fewer values lie inside their 95 % intervals than chance would leave there; few tell nothing."""
    count = len(found.observed)
    if count < _FEWEST or math.isnan(found.r2):
        return False
    share = found.coverage(0.95)
    return share < _FEW_INSIDE and float(bdtr(round(share * count), count, 0.95)) < _CHANCE


def _scatter(found: CrossValidation, objective: Objective) -> Figure:
    shown = sample_evenly(len(found.observed), _MOST_POINTS)
    x, y, std = (part[shown].tolist() for part in (found.observed, found.mean, found.std))
    ends = [min(x + y), max(x + y)]
    dots: dict[str, Any] = {
        "type": "scatter", "mode": "markers", "x": rounded(x), "y": rounded(y), "name": "trials",
        "marker": {"color": BLUE, "size": 6, "opacity": 0.7}, "customdata": rounded([_NORMAL_95 * s for s in std]),
        "hovertemplate": "observed %{x}<br>predicted %{y} ± %{customdata}<extra></extra>",
    }  # fmt: skip
    bars = {
        "type": "data",
        "array": rounded([_NORMAL_95 * s for s in std]),
        "color": "rgba(0,114,178,0.35)",
        "thickness": 1,
        "width": 0,
    }
    if len(shown) <= _MOST_BARS:
        dots["error_y"] = bars
    return figure(
        [_diagonal(ends), dots], height=380, showlegend=False, title=label(objective.metric, 50),
        xaxis={"title": "observed"}, yaxis={"title": "predicted without it"},
    )  # fmt: skip


def _calibration(found: CrossValidation) -> Figure:
    levels = [i / 20 for i in range(1, 20)] + [0.99]
    curve = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [0.0, *levels],
        "y": [0.0, *rounded([found.coverage(v) for v in levels])],
        "line": {"color": BLUE, "width": 2},
        "marker": {"size": 5},
        "hovertemplate": "%{y} inside intervals that should hold %{x}<extra></extra>",
    }
    axes: dict[str, Any] = {name: {"title": title, "range": [-0.02, 1.02], "tickformat": ".0%"}
            for name, title in (("xaxis", "should be inside"), ("yaxis", "is inside"))}  # fmt: skip
    return figure(
        [_diagonal([0.0, 1.0]), curve],
        height=380,
        showlegend=False,
        title="Calibration of the intervals",
        about="calibration",
        **axes,
    )


def _diagonal(ends: list[float]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": ends,
        "y": ends,
        "line": {"dash": "dash", "color": GREY, "width": 1},
        "hoverinfo": "skip",
        "showlegend": False,
    }
