"""Tables of text cells, row by row: what CSV and JSON readers share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from meristem.datasets.previews.columns import MISSING, Gathering
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import Table
from meristem.datasets.previews.wording import cut

_BLOCK = 100_000  # cells that are in memory as text at a time
_AT_ONCE = 16  # rows, which may be as wide as lines are long


class TableGathering:
    """A table while its rows come in; rows may be shorter or longer than its header."""

    def __init__(self, names: Sequence[str], limits: Limits, *, decimal: str = ".") -> None:
        self.width = len(names)
        self._limits = limits
        self._columns = [Gathering(name, decimal=decimal) for name in names[: limits.columns]]
        self._block: list[Sequence[str]] = []
        self._block_rows = _BLOCK // max(1, len(self._columns))
        self._head: list[tuple[str | None, ...]] = []
        self.rows = 0
        self.ragged = 0

    def extend(self, rows: Iterable[Sequence[str]]) -> None:
        """The next rows, up to the most cells."""
        rows = iter(rows)
        while not self.full:
            some = list(islice(rows, _AT_ONCE))
            if not some:
                return
            if any(len(row) != self.width for row in some) or self.width > len(self._columns):
                some = list(map(self._fitting, some))
            self._block += some
            if len(self._block) >= self._block_rows:
                self._flush()

    @property
    def full(self) -> bool:
        """Whether the limit of cells is reached."""
        return (self.rows + len(self._block)) * max(1, len(self._columns)) >= self._limits.cells

    def _fitting(self, row: Sequence[str]) -> Sequence[str]:
        """As wide as what is shown."""
        shown = len(self._columns)
        if len(row) != self.width:
            self.ragged += 1
            return [*row[:shown], *[""] * (shown - len(row))]
        return row[:shown]

    def table(self, *, whole: bool, share: float = 1.0) -> Table:
        """What came of it.

        Args:
            whole: These were all rows.
            share: Which part of the file they were, where not.
        """
        self._flush()
        return Table(
            rows=self.rows if whole else None,
            seen=self.rows,
            about=None if whole else round_to_two_digits(self.rows / max(share, 1e-12)),
            width=self.width,
            columns=tuple(column.column(self._limits.cell) for column in self._columns),
            head=tuple(self._head),
        )

    def _flush(self) -> None:
        rows = self._block
        if not rows:
            return
        self._block = []
        self.rows += len(rows)
        for row in rows[: self._limits.rows - len(self._head)]:
            self._head.append(tuple(None if cell in MISSING else cut(cell, self._limits.cell) for cell in row))
        for column, cells in zip(self._columns, zip(*rows, strict=True), strict=True):
            column.add(cells)


def round_to_two_digits(value: float) -> int:
    """An estimate shall look like one."""
    return int(float(f"{value:.2g}"))
