"""What was searched: the parameters, their ranges and conditions."""

from __future__ import annotations

from typing import Any

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Table
from meristem.reports.evidence import Evidence
from meristem.reports.style import number, plain
from meristem.space import Choice, Fixed, Float, Int
from meristem.space.parameters import Parameter


@analysis(
    "The space",
    Group.DIAGNOSTICS,
    "What could be chosen, and between what the best trial and all trials lie. 'log': places are spread evenly over "
    "orders of magnitude.",
)
def searched(evidence: Evidence, objective: Objective) -> Finding:
    best = evidence.leaders[0] if len(evidence.leaders) == 1 else None
    rows = []
    for name, parameter in evidence.space.parameters.items():
        tried = [t.parameters[name] for t in evidence.trials if name in t.parameters]
        rows.append([name, parameter.kind, _range(parameter), _tried(parameter, tried),
                     None if best is None else best.parameters.get(name), _when(parameter)])  # fmt: skip
    limits = ", ".join(c.label for c in evidence.space.constraints)
    size = evidence.space.size
    note = f"{len(rows)} parameters; " + ("infinitely many points" if size is None else f"{size:,} points")
    note += f", within {limits}." if limits else "."
    columns = ["parameter", "kind", "range", "tried", "best", "exists when"]
    return Finding(note=note, table=Table(columns=columns, rows=rows, most=60))


def _range(parameter: Parameter) -> str:
    match parameter:
        case Float() | Int():
            extra = (", log" if parameter.log else "") + (f", step {number(parameter.step)}" if parameter.step else "")
            return f"{number(parameter.low)} to {number(parameter.high)}{extra}"
        case Choice():
            return ", ".join(plain(choice, 30) for choice in parameter.choices) + (
                " (ordered)" if parameter.ordered else ""
            )
        case Fixed():
            return plain(parameter.value, 60)
    return ""


def _tried(parameter: Parameter, values: list[Any]) -> str:
    if not values:
        return ""
    if isinstance(parameter, (Float, Int)):
        return f"{number(min(values))} to {number(max(values))}"
    return f"{len({repr(value) for value in values})} of {parameter.cardinality} values"


def _when(parameter: Parameter) -> str:
    return (
        ""
        if parameter.when is None
        else ", ".join(f"{name} = {plain(value, 40)}" for name, value in parameter.when.items())
    )
