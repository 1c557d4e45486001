"""When trials ran, by slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Table
from meristem.reports.evidence import Evidence, NothingToShow
from meristem.reports.style import MOST_DOTS, STATUS_COLOURS, figure, hovers, percent, rounded, seconds, some, time_unit
from meristem.trial import Trial


@analysis(
    "Timeline of slots",
    Group.DIAGNOSTICS,
    "Each bar is a trial (its last attempt) in the slot in which it ran, coloured by what came of it. Gaps are time "
    "in which a slot waited: for the controller, for slower trials, or between two runs of the study.",
)
def timeline(evidence: Evidence, objective: Objective) -> Finding:
    ran = [t for t in evidence.trials if t.started_at is not None and t.ended_at is not None]
    if not ran:
        raise NothingToShow("No trial has run yet.")
    start = min(t.started_at or 0.0 for t in ran)
    size, unit = time_unit(max(t.ended_at or 0.0 for t in ran) - start)
    lanes = lanes_of([(t.started_at or 0.0, t.ended_at or 0.0, t.slot) for t in ran])
    names = sorted(set(lanes))
    traces = []
    for status, colour in STATUS_COLOURS.items():
        chosen = [(t, lane) for t, lane in zip(ran, lanes, strict=True) if t.status.value == status]
        if chosen:
            traces.append(_bars(status, colour, some(chosen, MOST_DOTS), start, size))
    drawn = figure(
        traces,
        height=130 + 34 * min(len(names), 20),
        barmode="overlay",
        bargap=0.25,
        xaxis={"title": f"{unit} since the first trial started", "rangemode": "tozero"},
        yaxis={
            "title": "slot",
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [str(n) for n in names[::-1]],
        },
    )
    busy, whole = busy_of(ran, len(names))
    used = sum(t.seconds or 0.0 for t in ran)
    slots = f"{len(names)} slot{'s' if len(names) > 1 else ''}"
    note = f"{len(ran)} trials took {seconds(used)} in {slots}, over {seconds(whole)}."
    table = Table(
        columns=["what", "value"],
        rows=[
            ["trials that ran", len(ran)],
            ["slots", len(names)],
            ["seconds of trials", used],
            ["seconds from first start to last end", whole],
            ["share of the time in which slots were busy", busy],
        ],
    )
    return Finding(note=f"{note} Slots were busy {percent(busy)} of that.", figures=[drawn], table=table)


def lanes_of(spans: Sequence[tuple[float, float, int | None]]) -> list[int]:
    """A lane for each (start, end, slot): its slot, or for those without one the first free lane above the slots."""
    first = max((slot for _, _, slot in spans if slot is not None), default=-1) + 1
    free_at: list[float] = []
    found = [slot if slot is not None else -1 for _, _, slot in spans]
    for place in sorted((i for i, span in enumerate(spans) if span[2] is None), key=lambda i: spans[i][0]):
        start, end, _ = spans[place]
        lane = next((n for n, time in enumerate(free_at) if time <= start), len(free_at))
        if lane == len(free_at):
            free_at.append(end)
        free_at[lane] = end
        found[place] = first + lane
    return found


def busy_of(trials: Sequence[Trial], slots: int) -> tuple[float, float]:
    """The share of the time in which slots were busy, and the whole time in seconds."""
    whole = max(t.ended_at or 0.0 for t in trials) - min(t.started_at or 0.0 for t in trials)
    used = sum(t.seconds or 0.0 for t in trials)
    return (min(1.0, used / (whole * slots)) if whole > 0 else 1.0), whole


def _bars(status: str, colour: str, chosen: Sequence[tuple[Trial, int]], start: float, size: float) -> dict[str, Any]:
    least = 1e-4  # what took no time is still to be seen
    return {
        "type": "bar", "orientation": "h", "name": status, "y": [str(lane) for _, lane in chosen],
        "base": rounded([((t.started_at or 0.0) - start) / size for t, _ in chosen]),
        "x": rounded([max(t.seconds or 0.0, least) / size for t, _ in chosen]),
        "marker": {"color": colour, "line": {"color": "white", "width": 0.5 if len(chosen) < 200 else 0}},
        "text": [f"trial {t.number}, {seconds(t.seconds or 0.0)}<br>{said}"
            for (t, _), said in zip(chosen, hovers([t for t, _ in chosen], most=6), strict=True)
        ],
        "textposition": "none", "hovertemplate": f"{status} %{{text}}<extra></extra>",
    }  # fmt: skip
