"""The trade-off between two objectives at a time, with the trials that no other beats in everything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Figure, Finding, Group, Table
from meristem.reports.evidence import Evidence
from meristem.reports.focus import focused_axis
from meristem.reports.style import BLUE, GREEN, GREY, MOST_DOTS, figure, hovers, label, rounded, some
from meristem.trial import Trial

_MOST_PAIRS = 6


@analysis(
    "Pareto frontier",
    Group.RESULTS,
    "Each point is a trial, at its values of two objectives; arrows on the axes point to the better side. Green ones "
    "are on the front: no other trial beats them in every objective. Choose among them by what a gain in one is "
    "worth in the other. Dashed lines are thresholds, crosses break a limit.",
    applies=lambda evidence: not evidence.goals.single,
)
def pareto(evidence: Evidence, objective: Objective) -> Finding:
    evidence.need_completed()
    objectives, leaders = evidence.goals.objectives, evidence.leaders
    pairs = list(combinations(objectives, 2))[:_MOST_PAIRS]
    names = [o.metric for o in objectives]
    rows = [[t.number, *(t.values[n] for n in names), *map(t.parameters.get, evidence.space.names)] for t in leaders]
    note = f"{len(leaders)} of {len(evidence.completed)} completed trials are on the front."
    return Finding(
        note=note if leaders else "No trial keeps all limits yet, so that there is no front.",
        figures=[_plane(evidence, x, y) for x, y in pairs],
        table=Table(columns=["trial", *names, *evidence.space.names], rows=rows),
    )


def _plane(evidence: Evidence, x: Objective, y: Objective) -> Figure:
    front = {trial.number for trial in evidence.leaders}
    rest = [
        t
        for t, keeps in zip(evidence.completed, evidence.feasible.tolist(), strict=True)
        if keeps and t.number not in front
    ]
    broken = [t for t, keeps in zip(evidence.completed, evidence.feasible.tolist(), strict=True) if not keeps]
    leaders = sorted(evidence.leaders, key=lambda t: t.values[x.metric])
    two = len(evidence.goals.objectives) == 2
    traces = [
        _points(
            some(broken, MOST_DOTS),
            x,
            y,
            "breaks a limit",
            {"color": GREY, "symbol": "x-thin", "size": 6, "line": {"width": 1.5, "color": GREY}},
        ),
        _points(some(rest, MOST_DOTS), x, y, "beaten", {"color": BLUE, "size": 6, "opacity": 0.5}),
        {
            **_points(leaders, x, y, "on the front", {"color": GREEN, "size": 9, "symbol": "diamond"}),
            **(
                {"mode": "lines+markers", "line": {"color": GREEN, "width": 1.5, "shape": _corner(x, y)}} if two else {}
            ),
        },
    ]
    axes = [_axis(evidence, o) for o in (x, y)]
    lines = [
        {"type": "line", f"{a}0": evidence.goals.thresholds[o.metric], f"{a}1": evidence.goals.thresholds[o.metric],
         f"{b}0": 0, f"{b}1": 1, f"{b}ref": "paper", "line": {"dash": "dash", "color": GREY, "width": 1}}
        for a, b, o in (("x", "y", x), ("y", "x", y)) if o.metric in evidence.goals.thresholds
    ]  # fmt: skip
    return figure(
        [t for t in traces if t["x"]],
        xaxis=axes[0],
        yaxis=axes[1],
        shapes=lines,
        height=420,
        about=f"{x.metric} and {y.metric}" if len(evidence.goals.objectives) > 2 else "",
    )


def _corner(x: Objective, y: Objective) -> str:
    """How steps between points of a front turn, so that they enclose only what is beaten."""
    return "vh" if x.maximize else "hv"


def _axis(evidence: Evidence, objective: Objective) -> dict[str, Any]:
    axis, _ = focused_axis(objective.metric, evidence.values(objective).tolist())
    better = "more" if objective.maximize else "less"
    return {**axis, "title": f"{label(objective.metric, 50)} ({better} is better)"}


def _points(trials: Sequence[Trial], x: Objective, y: Objective, name: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "name": name, "marker": marker,
        "x": rounded([t.values[x.metric] for t in trials]), "y": rounded([t.values[y.metric] for t in trials]),
        "text": [f"trial {t.number}<br>{said}" for t, said in zip(trials, hovers(trials), strict=True)],
        "hovertemplate": "(%{x}, %{y})<br>%{text}<extra></extra>",
    }  # fmt: skip
