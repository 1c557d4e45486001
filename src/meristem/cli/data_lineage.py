"""The lineage of versions as lines of text, as logs of version control draw it: the newest at the top."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from meristem.cli.data_views import ago, counted, shown_size
from meristem.cli.output import shown

if TYPE_CHECKING:
    from meristem.reports.versions.facts import GraphReader, GraphVersion, LineageGraph
    from meristem.reports.versions.lineage import Placed

_MOST = 100  # versions that are drawn: those nearest to the current one
_MOST_READERS = 5


def lineage_lines(graph: LineageGraph, width: int | None = None) -> Iterator[str]:
    """The picture, line by line.

    Args:
        width: At which lines are cut; None: nowhere.
    """
    from meristem.reports.versions.lineage import nearest, place  # slow to import: not for --help

    placed = place(nearest(graph, _MOST), graph.current)
    lanes = 1 + max((one.lane for one in placed), default=0)
    by_id = {one.version.id: one for one in placed}
    edges = [_Edge(one, by_id[parent]) for one in placed for parent in one.version.parents if parent in by_id]
    for one in placed:
        readers = [reader for reader in graph.readers if reader.version == one.version.id]
        yield from _cut(_lines(one, edges, lanes, readers, graph.current), width)
    hidden = len(graph.versions) - len(placed)
    if hidden:
        yield f"{counted(hidden, 'more version is', 'more versions are')} further away."


class _Edge:
    """A line from a version down to a parent; it changes lanes right below the version, or right above the parent."""

    def __init__(self, child: Placed, parent: Placed) -> None:
        self.top, self.bottom = child.row, parent.row
        self.start, self.end = child.lane, parent.lane
        self.turn = parent.row - 1 if parent.lane < child.lane else child.row  # below this row

    def lane_below(self, row: int) -> int:
        """Where it runs below what turns below a row."""
        return self.start if row < self.turn else self.end

    def passes(self, row: int) -> bool:
        return self.top < row < self.bottom

    def lane_at(self, row: int) -> int:
        return self.start if row <= self.turn else self.end


def _lines(
    one: Placed, edges: Sequence[_Edge], lanes: int, readers: Sequence[GraphReader], current: str
) -> Iterator[str]:
    row = one.row
    beside = {edge.lane_at(row) for edge in edges if edge.passes(row)}
    gutter = ["│ " if lane in beside else "  " for lane in range(lanes)]
    gutter[one.lane] = "● " if one.version.id == current else "○ "
    yield "".join(gutter) + _headline(one.version)
    below = beside | {edge.start for edge in edges if edge.top == row}
    plain = "".join("│ " if lane in below else "  " for lane in range(lanes))
    for text in _details(one.version, readers):
        yield f"{plain}  {text}"
    for edge in edges:
        if edge.turn == row and edge.start != edge.end and edge.top <= row < edge.bottom:
            yield _turning(edge, edges, row, lanes)


def _turning(edge: _Edge, edges: Sequence[_Edge], row: int, lanes: int) -> str:
    """A line in which one edge changes its lane; others run through."""
    through = {
        other.lane_at(row + 1) if other.bottom > row + 1 else other.end
        for other in edges
        if other is not edge and other.top <= row < other.bottom
    }
    low, high = sorted((edge.start, edge.end))
    leaving = {other.start for other in edges if other.top == row and other is not edge and other.start == edge.start}
    text = ""
    for lane in range(lanes):
        across = low <= lane < high
        if lane == edge.start:
            goes_on = lane in through or lane in leaving
            mark = ("├" if goes_on else "╰") if edge.end > edge.start else ("┤" if goes_on else "╯")
        elif lane == edge.end:
            joins = lane in through
            mark = ("┤" if joins else "╮") if edge.end > edge.start else ("├" if joins else "╭")
        else:
            mark = ("┼" if across else "│") if lane in through else ("─" if across else " ")
        text += mark + ("─" if across else " ")
    return text.rstrip()


def _headline(version: GraphVersion) -> str:
    sizes = [counted(version.entries, "file")] if version.entries is not None else []
    sizes += [str(shown_size(version.bytes))] if version.bytes is not None else []
    parts = [version.label, version.status, ago(version.created_at), ", ".join(sizes), shown(version.note, 100)]
    return "  ".join(part for part in parts if part)


def _details(version: GraphVersion, readers: Sequence[GraphReader]) -> Iterator[str]:
    made = [f"{reader.kind} {shown(reader.label, 60)}" for reader in readers if reader.made]
    read = [f"{reader.kind} {shown(reader.label, 60)}" for reader in readers if not reader.made]
    if made:
        yield f"made by {', '.join(made)}"
    if read:
        more = f" and {len(read) - _MOST_READERS:,} more" if len(read) > _MOST_READERS else ""
        yield f"read by {', '.join(read[:_MOST_READERS])}{more}"


def _cut(lines: Iterator[str], width: int | None) -> Iterator[str]:
    for line in lines:
        yield line if width is None or len(line) <= width else line[: width - 1] + "…"
