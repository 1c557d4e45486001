"""Which packs garbage collection rewrites or removes. Pure.

Packs are immutable: what no version needs goes away by copying what is needed into a new pack and removing the old
one. That is worth its cost where much of a pack is dead, and where many small packs make reading slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LEAST_DEAD = 0.3  # of a pack, to be worth copying the rest
_SMALL_BYTES = 4 << 20
_LEAST_SMALL = 16  # small packs, to be worth joining
_TIER = 8  # packs are joined with others up to so many times as large, so that no byte is copied again and again


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How much of a pack is needed. Sizes in stored bytes."""

    name: str
    size: int
    live_bytes: int
    live_objects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        empty: Packs of which nothing is needed.
        rewritten: Packs of which something is, which is copied.
    """

    empty: tuple[str, ...]
    rewritten: tuple[str, ...]


def plan_collection(fills: Sequence[Fill]) -> Plan:
    """Decides what becomes of packs. Asked again after it was done, it finds nothing to do."""
    empty = tuple(fill.name for fill in fills if not fill.live_objects)
    rest = [fill for fill in fills if fill.live_objects]
    sparse = [fill.name for fill in rest if fill.live_bytes < (1 - _LEAST_DEAD) * fill.size]
    small = _joined([fill for fill in rest if fill.live_bytes < _SMALL_BYTES and fill.name not in set(sparse)])
    return Plan(empty=empty, rewritten=(*sparse, *small))


def _joined(small: Sequence[Fill]) -> list[str]:
    """Of small packs, groups of like size that are large enough to be joined."""
    ordered = sorted(small, key=lambda fill: (fill.live_bytes, fill.name))
    found: list[str] = []
    group: list[Fill] = []
    for fill in ordered:
        if group and fill.live_bytes > _TIER * max(group[0].live_bytes, 4096):
            found += [f.name for f in group] if len(group) >= _LEAST_SMALL else []
            group = []
        group.append(fill)
    return found + ([f.name for f in group] if len(group) >= _LEAST_SMALL else [])
