"""What differs between what is known of a directory and what lies there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meristem.datasets.folders.records import FACTS_BYTES, Item, Record


@dataclass(slots=True)
class Changed:
    """A directory that is not as it was known.

    Attributes:
        path: Relative, "" for the top.
        record: What lies there now; the contents of `todo` are not known yet.
        fresh: Positions of all names that are new or changed.
        before: What was known of them, where anything was.
        todo: Positions of the files that must be read, a part of `fresh`.
        gone: What was known of names that are there no more.
        row: Of the stat cache, 0 where there is none.
        read_at_ns: A moment before any of it was read.
        tried: Whether all of it was tried to be read; what is left in `todo` cannot be.
        remembered: Whether the cache knows it by now.
    """

    path: str
    record: Record
    fresh: Sequence[int]
    before: dict[int, Item]
    gone: dict[str, Item]
    todo: Sequence[int] = ()
    row: int = 0
    read_at_ns: int = 0
    tried: bool = False
    remembered: bool = False


def differing(path: str, record: Record, known: Record | None) -> Changed:
    """The names that differ from what was known of them; all others get the content that was known."""
    if known is None:
        return Changed(path, record, range(len(record)), {}, {})
    if known.joined == record.joined:
        return _same_names(path, record, known)
    names, positions = record.names, {name: j for j, name in enumerate(known.names)}
    fresh, before = [], {}
    for i, name in enumerate(names):
        j = positions.pop(name, None)
        if j is not None and record.facts_at(i) == known.facts_at(j):
            record.carry(i, known, j)
            continue
        fresh.append(i)
        if j is not None and (item := known.item(j)) is not None:
            before[i] = item
    gone = {name: item for name, j in positions.items() if (item := known.item(j)) is not None}
    return Changed(path, record, fresh, before, gone)


def _same_names(path: str, record: Record, known: Record) -> Changed:
    """The usual case: a few files were written anew."""
    now, then = record.facts.tobytes(), known.facts.tobytes()
    starts = range(0, len(now), FACTS_BYTES)
    changed = [i for i, at in enumerate(starts) if now[at : at + FACTS_BYTES] != then[at : at + FACTS_BYTES]]
    record.contents[:] = known.contents
    record.targets.update(known.targets)
    before = {i: item for i in changed if (item := known.item(i)) is not None}
    for i in changed:
        record.forget(i)
    return Changed(path, record, changed, before, {})
