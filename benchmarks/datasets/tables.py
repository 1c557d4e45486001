"""What was measured, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from rich.table import Table

from benchmarks.datasets.plan import TITLES, Figures, Step, ratio, verdicts

OURS = "Meristem"
PEER = "DVC"
Found = Mapping[str, Mapping[str, Figures]]  # step, who


def table_of(part: str, steps: Sequence[Step], found: Found) -> Table:
    """The table of one kind of data: medians, and the least of all rounds in brackets."""
    table = Table(title=TITLES[part], caption="median (least) of all rounds; CPU with children; MB of 1,000,000 bytes")
    for name in ("step", "who", "wall s", "CPU s", "of DVC", "stored MB", "memory MB", "goal"):
        table.add_column(name, justify="left" if name in ("step", "who", "goal") else "right")
    for step in steps:
        if step.key not in found:
            continue
        shown = found[step.key]
        peer = shown.get(PEER)
        for number, who in enumerate(sorted(shown, key=_order)):
            ours = who.startswith(OURS)
            again = ratio(shown[who], peer) if ours else None
            table.add_row(
                step.what if number == 0 else "",
                who,
                _both(shown[who]["wall"]),
                _both(shown[who]["cpu"]),
                "" if again is None else f"{again:.2f}",
                f"{median(shown[who]['stored']) / 1e6:.2f}" if shown[who].get("stored") else "",
                "" if who.startswith("floor") else f"{max(shown[who]['memory']) / 1e6:.0f}",
                _told(step, shown[who], peer) if ours else "",
                style="dim" if who.startswith("floor") else None,
            )
        table.add_section()
    return table


def judged(steps: Sequence[Step], found: Found) -> list[dict[str, object]]:
    """All goals of our contestants, for the JSON."""
    return [
        {"step": step.key, "who": who, "goal": verdict.goal, "value": verdict.value, "met": verdict.met}
        for step in steps
        for who, figures in found.get(step.key, {}).items()
        if who.startswith(OURS)
        for verdict in verdicts(step, figures, found[step.key].get(PEER))
    ]


def _told(step: Step, ours: Figures, peer: Figures | None) -> str:
    told = []
    for verdict in verdicts(step, ours, peer):
        met = "met" if verdict.met else "MISSED"
        part = f" ({verdict.value:.2%})" if verdict.goal.startswith("stored") else ""
        told.append(f"{verdict.goal}: {met}{part}{', by the ratio' if verdict.by_ratio else ''}")
    return "\n".join(told)


def _order(who: str) -> tuple[bool, bool, str]:
    return who.startswith("floor"), who == PEER, who


def _both(values: Sequence[float]) -> str:
    return f"{median(values):.3g} ({min(values):.3g})"
