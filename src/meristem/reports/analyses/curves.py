"""What trials reported while they ran, and which were stopped early."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.reports.focus import focused_axis
from meristem.reports.style import BLUE, GREEN, ORANGE, figure, percent, rounded
from meristem.reports.ticks import sample_evenly
from meristem.statuses import TrialStatus

Line = list[tuple[int, float]]  # steps and values
MOST = 120
_MOST_STEPS = 200


@analysis(
    "Learning curves",
    Group.RESULTS,
    "What trials reported of the objective at each step. Orange curves were stopped early, with a cross where; green "
    "is the best trial. Stopping was right where the orange ones lie on the bad side of the others.",
    applies=lambda evidence: any(lines_of(evidence, objective) for objective in evidence.goals.objectives),
    each_objective=True,
)
def curves(evidence: Evidence, objective: Objective) -> Finding:
    lines = lines_of(evidence, objective)
    if not lines:
        raise NothingToShow(
            "No trial reported the objective at steps (trial.report(step=…)), so that none could be stopped early."
        )
    kind = {trial.number: trial.status for trial in evidence.trials}
    best = {trial.number for trial in evidence.leaders[:1]}
    stopped = [n for n in lines if kind.get(n) == TrialStatus.STOPPED]
    others = [n for n in lines if n not in best and kind.get(n) != TrialStatus.STOPPED]
    drawn_stopped, drawn_others = (_some(numbers, MOST // 2) for numbers in (stopped, others))
    traces = [
        _bundle("ran on", [lines[n] for n in drawn_others], drawn_others, BLUE, 0.35),
        _bundle("stopped early", [lines[n] for n in drawn_stopped], drawn_stopped, ORANGE, 0.6),
        _ends([lines[n] for n in drawn_stopped]),
        {
            **_bundle("best trial", [lines[n] for n in best if n in lines], [*best], GREEN, 1.0),
            "line": {"color": GREEN, "width": 3},
        },
    ]
    ends = [value for line in lines.values() for _, value in line]
    axis, outside = focused_axis(objective.metric, ends)
    figure_ = figure([t for t in traces if t["x"]], xaxis={"title": "step"}, yaxis=axis)
    table, note, level = _saved(lines, stopped, evidence, objective)
    left = len(lines) - len(drawn_others) - len(drawn_stopped) - len([n for n in best if n in lines])
    more = f" {left} curves are left out of the figure." if left > 0 else ""
    return Finding(note=note + more + outside, figures=[figure_], table=table, level=level)


def lines_of(evidence: Evidence, objective: Objective) -> dict[int, Line]:
    """What each trial reported of the objective: finite values by step, by trial."""
    return evidence.once("lines", objective, lambda: _read_lines(evidence, objective))


def _read_lines(evidence: Evidence, objective: Objective) -> dict[int, Line]:
    at: dict[int, dict[int, dict[str, float]]] = {}
    for number, m in evidence.study.list_reports(list(objective.terms)):
        if m.step is not None:
            at.setdefault(number, {}).setdefault(m.step, {})[m.metric] = m.value
    found: dict[int, Line] = {}
    for number, steps in at.items():
        values = [(step, objective.value(metrics)) for step, metrics in sorted(steps.items())]
        line = [(step, value) for step, value in values if value is not None and math.isfinite(value)]
        if line:
            found[number] = line
    return found


def steps_saved(last: Mapping[int, int], stopped: Sequence[int]) -> tuple[int, int]:
    """Steps not run because trials were stopped, and steps of all trials had each gone as far as the longest."""
    longest = max(last.values())
    return sum(longest - last[number] for number in stopped), longest * len(last)


def _saved(
    lines: Mapping[int, Line], stopped: Sequence[int], evidence: Evidence, objective: Objective
) -> tuple[Table, str, Level]:
    saved, whole = steps_saved({n: line[-1][0] for n, line in lines.items()}, stopped)
    share = saved / whole if whole else 0.0
    rows: list[list[Any]] = [
        ["trials with curves", len(lines)],
        ["stopped early", len(stopped)],
        ["steps saved", saved],
        ["steps had all gone to the end", whole],
    ]
    table = Table(columns=["what", "count"], rows=rows)
    if stopped:
        return (
            table,
            f"{len(stopped)} trials were stopped early, which saved {percent(share)} of the steps.",
            Level.INFO,
        )
    hint = ' Stopping hopeless trials could save time: early_stopping="auto".' if len(lines) >= 10 else ""
    return table, f"No trial was stopped early.{hint}", Level.INFO


def _some(numbers: Sequence[int], most: int) -> list[int]:
    return [numbers[place] for place in sample_evenly(len(numbers), most)]


def _bundle(name: str, lines: Sequence[Line], numbers: Sequence[int], colour: str, opacity: float) -> dict[str, Any]:
    """Many lines as one trace, with gaps between them: a thousand traces would be slow to draw."""
    x: list[Any] = []
    y: list[Any] = []
    text: list[str] = []
    for number, line in zip(numbers, lines, strict=True):
        kept = [line[place] for place in sample_evenly(len(line), _MOST_STEPS)]
        x += [step for step, _ in kept] + [None]
        y += [*rounded([value for _, value in kept]), None]
        text += [f"trial {number}"] * len(kept) + [""]
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(x) == 2 * len(lines) else "lines",
        "name": name,
        "x": x,
        "y": y,
        "text": text,
        "opacity": opacity,
        "line": {"color": colour, "width": 1.2},
        "marker": {"size": 5},
        "hovertemplate": "%{text}, step %{x}: %{y}<extra></extra>",
    }


def _ends(lines: Sequence[Line]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "x": [line[-1][0] for line in lines], "showlegend": False,
        "y": rounded([line[-1][1] for line in lines]), "hoverinfo": "skip",
        "marker": {"color": ORANGE, "symbol": "x", "size": 6},
    }  # fmt: skip
