"""Do trials fail where a parameter has certain values?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meristem.objective import Objective
from meristem.reports.analysis import analysis
from meristem.reports.card import Finding, Group, Level, Table
from meristem.reports.evidence import Array, Evidence
from meristem.reports.style import number, percent, plain
from meristem.space import Choice, Float, Int

Flags = NDArray[np.bool_]
_CUTS = (0.1, 0.25, 0.5, 0.75, 0.9)
_FEWEST = 3
_CHANCE = 0.01  # in all regions together, that pure chance makes one look as bad


@analysis(
    "Failing region",
    Group.HEALTH,
    "Values of a parameter with which trials fail more often than chance would have it (one-sided exact test by "
    "Fisher, corrected for the number of regions looked at). Leave such values out of the space, or mend the "
    "training there.",
)
def failing_region(evidence: Evidence, objective: Objective) -> Finding:
    ended = [i for i, t in enumerate(evidence.trials) if t.status.value in ("completed", "failed", "stopped")]
    failed = np.array([evidence.trials[i].status == "failed" for i in ended], dtype=bool)
    if not len(ended):
        return Finding(note="No trial has ended yet.")
    if not failed.any():
        return Finding(level=Level.GOOD, note="No trial has failed.")
    found = []
    for column, name in enumerate(evidence.space.dimensions):
        places = evidence.unit[ended, column]
        found += [(name, text, inside) for text, inside in _regions(evidence, name, places)]
    rows = worst_regions(found, failed)
    if not rows and not can_tell(found, failed):
        count = int(failed.sum())
        note = f"{count} of {len(ended)} trials failed: too few to tell whether it is due to the values of a parameter."
        return Finding(note=note)
    if not rows:
        return Finding(level=Level.GOOD, note="Failures are not tied to the values of one parameter.")
    first = rows[0]
    note = f"{first[2]} of {first[3]} trials with {first[0]} {first[1]} failed; elsewhere {percent(first[4])}."
    columns = ["parameter", "values", "failed", "of trials", "share failed elsewhere", "probability by chance"]
    return Finding(level=Level.WARNING, note=note, table=Table(columns=columns, rows=rows))


def worst_regions(regions: list[tuple[str, str, Flags]], failed: Flags) -> list[list[Any]]:
    """Of each parameter the region in which trials fail most significantly, the most significant first.

    Args:
        regions: Parameter, description, and which trials lie inside, shape (n,).
        failed: Which trials failed, shape (n,).
    """
    from scipy.stats import hypergeom  # slow to import

    usable = _usable(regions, failed)
    best: dict[str, list[Any]] = {}
    for name, text, inside in usable:
        hits, size = int(failed[inside].sum()), int(inside.sum())
        elsewhere = float(failed[~inside].mean())
        chance = float(hypergeom.sf(hits - 1, len(failed), int(failed.sum()), size)) * len(usable)
        if hits < _FEWEST or chance >= _CHANCE or hits / size <= elsewhere:
            continue
        if name not in best or chance < best[name][5]:
            best[name] = [name, text, hits, size, elsewhere, chance]
    return sorted(best.values(), key=lambda row: float(row[5]))


def can_tell(regions: list[tuple[str, str, Flags]], failed: Flags) -> bool:
    """Whether failures are so many that chance could be ruled out, were all of them in one small region."""
    count, hits = len(failed), int(failed.sum())
    return hits >= _FEWEST and max(1, len(_usable(regions, failed))) / math.comb(count, hits) < _CHANCE


def _usable(regions: list[tuple[str, str, Flags]], failed: Flags) -> list[tuple[str, str, Flags]]:
    return [(name, text, inside) for name, text, inside in regions if _FEWEST <= inside.sum() < len(failed)]


def _regions(evidence: Evidence, name: str, places: Array) -> Iterator[tuple[str, Flags]]:
    parameter = evidence.space.parameters[name]
    if isinstance(parameter, Choice):
        count = len(parameter.choices)
        index = np.floor(np.where(np.isfinite(places), places, -1.0) * count)
        for i, choice in enumerate(parameter.choices):
            yield f"= {plain(choice, 60)}", index == i
    elif isinstance(parameter, (Float, Int)):
        column = evidence.space.dimensions.index(name)
        for cut in _CUTS:
            unit = np.full(len(evidence.space.dimensions), 0.5)
            unit[column] = cut
            value = evidence.space.decode(unit).get(name)
            said = percent(cut) + " of its range" if value is None else number(value)
            with np.errstate(invalid="ignore"):
                yield f"up to {said}", places <= cut
                yield f"above {said}", places > cut
