"""What is measured, beside whom, and the goals (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

_KIB, _MIB = 1 << 10, 1 << 20
Figures = Mapping[str, Sequence[float]]  # wall, cpu (seconds), memory, stored (bytes): one value a round


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of all contestants, one after another.

    Attributes:
        change: What is done to everybody's data before, of `generating.CHANGES`.
        seconds: The goal.
        dvc_seconds: What DVC took on the machine that the goal was set for: elsewhere the ratio to DVC counts as well.
        dvc_step: Beside which step of DVC it stands, where that is another.
        stored: Goal of the bytes that are stored for it, as a part of `stored_of` bytes.
        memory: Goal of the most memory of a process, in bytes.
        floors: Of `floors.FLOORS`, measured in the same round.
    """

    key: str
    what: str
    change: str = ""
    seconds: float | None = None
    dvc_seconds: float | None = None
    dvc_step: str = ""
    stored: float | None = None
    stored_of: int = 0
    memory: int | None = None
    floors: tuple[str, ...] = ()


PARTS: Mapping[str, Sequence[Step]] = {
    "small": [
        Step(key="start", what="start-up: --version"),
        Step(key="first", what="first version", seconds=0.6, dvc_seconds=4.15, floors=("hash", "pack")),
        Step(key="status", what="nothing changed: status", seconds=0.15, dvc_seconds=0.81, floors=("stat",)),
        Step(key="sync", what="nothing changed: sync", seconds=0.15, dvc_seconds=1.26),
        Step(key="changed", what="100 files changed: new version", change="rewrite_one_in_hundred",
             seconds=0.2, dvc_seconds=1.43),
        Step(key="copied", what="checkout into an empty folder, copied", seconds=0.9, dvc_seconds=2.73,
             floors=("cp",)),
        Step(key="cached", what="local copy, first"),
        Step(key="linked", what="checkout, linked from the local cache", seconds=0.35, floors=("links",)),
    ],
    "big": [
        Step(key="first", what="first version", seconds=2.0, dvc_seconds=3.34, floors=("hash", "pack")),
        Step(key="sync", what="nothing changed: sync", floors=("stat",)),
        Step(key="changed", what="2 MB changed in the middle of each", change="overwrite_middles",
             stored=0.03, stored_of=1000 * _MIB),
        Step(key="inserted", what="one byte inserted at the head of one", change="insert_at_head",
             stored=0.01, stored_of=200 * _MIB),
        Step(key="copied", what="checkout into an empty folder, copied", floors=("cp",)),
    ],
    "million": [
        Step(key="first", what="first version"),
        Step(key="sync", what="nothing changed: sync", floors=("stat",)),
        Step(key="changed", what="one file changed: new version", change="rewrite_one",
             seconds=5.0, memory=500_000_000),
    ],
}  # fmt: skip
TITLES = {
    "small": "10,000 files of 10 KB in 100 folders",
    "big": "5 files of 200 MB",
    "million": "1,000,000 files of 100 bytes in 10,000 folders",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One goal, and whether it is met. `by_ratio`: only the ratio to DVC of the same run meets it."""

    goal: str
    value: float
    met: bool
    by_ratio: bool = False


def verdicts(step: Step, ours: Figures, dvc: Figures | None) -> list[Verdict]:
    """Judges the medians of one step.

    Args:
        ours: Figures of one of our contestants.
        dvc: Those of DVC in the same run; None where it was not measured.
    """
    found = []
    if step.seconds is not None:
        wall, again = median(ours["wall"]), ratio(ours, dvc)
        allowed = step.seconds / step.dvc_seconds if step.dvc_seconds else None
        fast = wall <= step.seconds
        relative = allowed is not None and again is not None and again <= allowed
        goal = f"≤ {step.seconds:g} s" + (f" or {allowed:.2f} of DVC" if allowed and again is not None else "")
        found.append(Verdict(goal=goal, value=wall, met=fast or relative, by_ratio=relative and not fast))
    if step.stored is not None:
        part = median(ours["stored"]) / step.stored_of
        found.append(Verdict(goal=f"stored ≤ {step.stored:.0%}", value=part, met=part <= step.stored))
    if step.memory is not None:
        held = median(ours["memory"])
        found.append(Verdict(goal=f"memory ≤ {step.memory / 1e6:.0f} MB", value=held, met=held <= step.memory))
    return found


def ratio(ours: Figures, dvc: Figures | None) -> float | None:
    """Our median wall time as a part of DVC's; None where it was not measured."""
    return median(ours["wall"]) / median(dvc["wall"]) if dvc else None
