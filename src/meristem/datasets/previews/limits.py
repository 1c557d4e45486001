"""How much a preview may read, keep and draw. All limits are amounts of work, not times, so that one version always
gets the same preview, on any machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LEAST_CELLS = 20_000  # of a table, however many others were read before


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Attributes:
    files: Of how many files the inside is shown.
    rows: Of a table's first ones.
    columns: Of a table; further ones are counted.
    whole_bytes: Files up to this size are read whole.
    head_bytes: So much of larger ones.
    all_bytes: Of all files together; who comes late is read less.
    cells: Of one table.
    all_cells: Of all tables together.
    cell: Characters of a cell, a name or a line.
    lines: Of a text.
    pixels: Pictures of more are not decoded.
    all_pixels: Of all pictures together.
    thumbnail_bytes: Of one small picture (PNG).
    json_bytes: Of the whole preview.
    """

    files: int = 12
    rows: int = 20
    columns: int = 100
    whole_bytes: int = 8 << 20
    head_bytes: int = 1 << 20
    all_bytes: int = 12 << 20
    cells: int = 2_000_000
    all_cells: int = 3_000_000
    cell: int = 80
    lines: int = 20
    pixels: int = 16_000_000
    all_pixels: int = 40_000_000
    thumbnail_bytes: int = 20_000
    json_bytes: int = 300_000


class Allowance:
    """What is left of the limits that all files share."""

    def __init__(self, limits: Limits) -> None:
        self._bytes, self._pixels, self._cells = limits.all_bytes, limits.all_pixels, limits.all_cells
        self._limits = limits

    def bytes_for(self, size: int) -> int:
        """How much of a file of `size` bytes may be read."""
        limits = self._limits
        wanted = size if size <= limits.whole_bytes else limits.head_bytes
        if wanted > self._bytes:
            wanted = min(size, limits.head_bytes, max(self._bytes, limits.head_bytes // 16))
        self._bytes -= wanted
        return wanted

    def give_back(self, count: int) -> None:
        """So many bytes were not needed."""
        self._bytes += count

    def limits(self) -> Limits:
        """Those of the next file."""
        least = min(self._limits.cells, _LEAST_CELLS)
        return replace(self._limits, cells=max(least, min(self._limits.cells, self._cells)))

    def take_cells(self, count: int) -> None:
        """So many cells were read."""
        self._cells -= count

    def take_pixels(self, count: int) -> bool:
        """Whether a picture of `count` pixels may be decoded."""
        if count > self._limits.pixels or count > self._pixels:
            return False
        self._pixels -= count
        return True
