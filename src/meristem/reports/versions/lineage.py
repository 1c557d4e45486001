"""The lineage of versions as SVG: one row a version, the newest at the top, a line to each parent.

Layered by time, as logs of version control draw it: long histories stay readable, and names have room beside the dots.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meristem.datasets.previews.wording import bytes_text, counted, moment, plain
from meristem.reports.versions.facts import GraphReader, GraphVersion, LineageGraph

MOST = 40  # versions that are drawn: those nearest to the current one
_ROW, _LANE, _LEFT, _TOP = 44, 22, 18, 26
_RADIUS = 6
_CHARACTER = 7.3  # pixels, about
_MOST_READERS = 3
_LONGEST_LABEL, _LONGEST_NOTE, _LONGEST_READER = 44, 60, 30


@dataclass(frozen=True, slots=True)
class Placed:
    """A version and where it stands: rows from the top, lanes from the left."""

    version: GraphVersion
    row: int
    lane: int


def lineage_svg(graph: LineageGraph) -> str:
    """The picture; "" where there is no version."""
    versions = nearest(graph, MOST)
    if not versions:
        return ""
    placed = place(versions, graph.current)
    lanes = 1 + max(one.lane for one in placed)
    left = _LEFT + lanes * _LANE + 8
    readers: dict[str, list[GraphReader]] = {}
    for reader in graph.readers:
        readers.setdefault(reader.version, []).append(reader)
    by_id = {one.version.id: one for one in placed}
    lines = "".join(_lines(one, by_id) for one in placed)
    rows = [_row(one, left, readers.get(one.version.id, []), graph.current) for one in placed]
    width, height = int(max(end for _, end in rows)), _TOP * 2 + _ROW * (len(placed) - 1)
    hidden = len(graph.versions) - len(placed)
    far = counted(hidden, "more version is", "more versions are")
    more = f'<p class="more">{far} further away.</p>' if hidden else ""
    return (
        f'<div class="lineage"><svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Lineage of versions">{lines}{"".join(row for row, _ in rows)}</svg></div>{more}'
    )


def nearest(graph: LineageGraph, most: int) -> list[GraphVersion]:
    """At most so many versions, those by the fewest steps from the current one; all where they are few."""
    by_id = {version.id: version for version in graph.versions}
    if len(by_id) <= most:
        return list(by_id.values())
    beside: dict[str, list[str]] = {name: [] for name in by_id}
    for version in by_id.values():
        for parent in version.parents:
            if parent in by_id:
                beside[version.id].append(parent)
                beside[parent].append(version.id)
    found = dict.fromkeys([graph.current] if graph.current in by_id else list(by_id)[-1:])
    waiting = list(found)
    while waiting and len(found) < most:
        following = [name for one in waiting for name in beside[one]]
        waiting = [name for name in dict.fromkeys(following) if name not in found]
        found |= dict.fromkeys(waiting[: most - len(found)])
    return [by_id[name] for name in found]


def place(versions: Sequence[GraphVersion], current: str) -> list[Placed]:
    """Rows by time, children above their parents; lanes so that lines of descent stay straight.

    The line of first parents from the current version has the lane on the left.
    """
    by_id = {version.id: version for version in versions}
    ordered = _by_time(by_id)
    main: set[str] = set()
    one: str | None = current
    while one in by_id and one not in main:
        main.add(one)
        one = next(iter(by_id[one].parents), None)
    lanes: list[str | None] = [None]  # which version each lane waits for, from the top
    lane_of: dict[str, int] = {}
    placed = []
    for row, version in enumerate(ordered):
        waited = [lane for lane, name in enumerate(lanes) if name == version.id]
        lane = 0 if version.id in main else waited[0] if waited else _free(lanes)
        lane_of[version.id] = lane
        for other in waited:
            lanes[other] = None
        parents = [parent for parent in version.parents if parent in by_id and parent not in lane_of]
        for place_, parent in enumerate(parents):
            if parent in lanes:
                continue
            target = lane if not place_ and version.id not in main else 0 if parent in main else None
            if target == 0 and parent not in main:
                target = None
            if target is None or (lanes[target] is not None and target != 0):
                target = _free(lanes)
            lanes[target] = parent
        placed.append(Placed(version, row, lane))
    return placed


def _free(lanes: list[str | None]) -> int:
    """A lane that nobody waits in; the first is kept for the line of the current version."""
    for lane, name in enumerate(lanes[1:], 1):
        if name is None:
            return lane
    lanes.append(None)
    return len(lanes) - 1


def _by_time(by_id: Mapping[str, GraphVersion]) -> list[GraphVersion]:
    """Newest first; clocks may err, a child still stands above its parents."""
    children = dict.fromkeys(by_id, 0)
    for version in by_id.values():
        for parent in set(version.parents) & by_id.keys():
            children[parent] += 1
    ready = [name for name, count in children.items() if not count]
    found: list[GraphVersion] = []
    while ready:
        name = max(ready, key=lambda one: (by_id[one].created_at, one))
        ready.remove(name)
        found.append(by_id[name])
        for parent in set(by_id[name].parents) & by_id.keys():
            children[parent] -= 1
            if not children[parent]:
                ready.append(parent)
    return found


def _lines(one: Placed, by_id: Mapping[str, Placed]) -> str:
    found = []
    for parent in one.version.parents:
        other = by_id.get(parent)
        (x, y), end = _at(one), _at(other) if other else None
        if end is None:
            found.append(f'<path class="line out" d="M{x} {y} V{y + _ROW * 0.6:.0f}"/>')
        elif end[0] == x:
            found.append(f'<path class="line" d="M{x} {y} V{end[1]}"/>')
        else:
            turn = end[1] - _ROW if end[0] < x else y  # leave a side lane late, enter one early
            bend = f"C{x} {turn + _ROW * 0.6:.0f} {end[0]} {turn + _ROW * 0.4:.0f} {end[0]} {turn + _ROW}"
            found.append(f'<path class="line" d="M{x} {y} V{turn} {bend} V{end[1]}"/>')
    return "".join(found)


def _at(one: Placed) -> tuple[int, int]:
    return _LEFT + one.lane * _LANE, _TOP + one.row * _ROW


def _row(one: Placed, left: int, readers: Sequence[GraphReader], current: str) -> tuple[str, float]:
    """A version's dot, its name and what stands beside it; and where that ends."""
    version, (x, y) = one.version, _at(one)
    here = version.id == current
    label = plain(version.label, _LONGEST_LABEL)
    counts = [counted(version.entries, "file")] if version.entries is not None else []
    counts += [bytes_text(version.bytes)] if version.bytes is not None else []
    when = moment(version.created_at)[:16]
    below = " · ".join(filter(None, [version.status, when, *counts, plain(version.note, _LONGEST_NOTE)]))
    mark = f'<circle class="ring" cx="{x}" cy="{y}" r="{_RADIUS + 4}"/>' if here else ""
    parts = [
        f'{mark}<circle class="dot {_word(version.status)}" cx="{x}" cy="{y}" r="{_RADIUS}"><title>'
        f"{_text(plain(version.label, 200))}</title></circle>",
        f'<text class="label{" here" if here else ""}" x="{left}" y="{y - 2}">{_text(label)}</text>',
        f'<text class="below" x="{left}" y="{y + 14}">{_text(below)}</text>',
    ]
    end = left + len(label) * (_CHARACTER + 0.7) + 14
    for reader in readers[:_MOST_READERS]:
        name = f"{'made by ' if reader.made else ''}{reader.kind} {plain(reader.label, _LONGEST_READER)}"
        width = len(name) * 6.4 + 16
        when = f", {moment(reader.at)[:16]}" if reader.at is not None else ""
        title = f"{reader.kind} {plain(reader.label, 200)} {'made' if reader.made else 'read'} this version{when}"
        parts.append(
            f'<g class="reader {_word(reader.kind)}"><title>{_text(title)}</title>'
            f'<rect x="{end:.0f}" y="{y - 16}" width="{width:.0f}" height="19" rx="9.5"/>'
            f'<text x="{end + width / 2:.0f}" y="{y - 2.5:.1f}" text-anchor="middle">{_text(name)}</text></g>'
        )
        end += width + 6
    if len(readers) > _MOST_READERS:
        parts.append(f'<text class="below" x="{end:.0f}" y="{y - 2.5}">+{len(readers) - _MOST_READERS:,} more</text>')
        end += 70
    return "".join(parts), max(end, left + len(below) * 6.2) + 10


def _word(text: str) -> str:
    """For a class name."""
    return "".join(c for c in text if c.isalpha() and c.isascii())[:20]


def _text(text: str) -> str:
    return html.escape(plain(text, 400), quote=True)
