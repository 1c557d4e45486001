"""CSV and its relatives: which delimiter, whether there is a header, and the table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from meristem.datasets.previews.columns import MISSING, Gathering
from meristem.datasets.previews.encoding import Encoding
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import ColumnType, FileKind, FilePreview
from meristem.datasets.previews.source import Source
from meristem.datasets.previews.tables import TableGathering
from meristem.datasets.previews.wording import counted

DELIMITERS = (",", "\t", ";", "|")
NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
_SNIFFED_LINES = 60
_LONGEST_LINE = 1 << 18  # characters; more cells than that hold would take much memory
_MOST_CELLS = 50_000  # in the first rows
_LIKELY = 0.9  # share of lines of equal width


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a file is read: its delimiter, and how many cells most rows have."""

    delimiter: str
    width: int
    share: float


class _Lines:
    """Lines of text with their ends; too long ones are cut, and of a file's head the last one, which is not whole."""

    def __init__(self, source: Source, encoding: Encoding) -> None:
        self._text = io.TextIOWrapper(io.BytesIO(source.start), encoding.name, errors="replace", newline="")
        self._whole = source.whole
        self.cut = 0

    def __iter__(self) -> Iterator[str]:
        last = ""
        for line in iter(lambda: self._text.readline(_LONGEST_LINE), ""):
            if last:
                yield last
            if len(line) == _LONGEST_LINE and not line.endswith(("\n", "\r")):
                self.cut += 1
                self._skip()
            last = line
        if last and (self._whole or last.endswith(("\n", "\r")) or self.cut):
            yield last

    def _skip(self) -> None:
        for part in iter(lambda: self._text.readline(_LONGEST_LINE), ""):
            if part.endswith(("\n", "\r")):
                return


def sniff(source: Source, encoding: Encoding, delimiters: Sequence[str] = DELIMITERS) -> Dialect | None:
    """The delimiter that gives the first lines equally many cells; None where there is no line."""
    lines = []
    for line in _Lines(source, encoding):
        lines.append(line)
        if len(lines) == _SNIFFED_LINES or sum(map(len, lines)) > _LONGEST_LINE:
            break
    found = [dialect for one in delimiters if (dialect := _tried(lines, one))]
    return max(found, key=lambda d: (d.width > 1, round(d.share, 1), d.width), default=None)


def is_table(dialect: Dialect | None, lines: int = 3) -> bool:
    """Whether a file that does not say so is one, as far as its first lines tell."""
    return dialect is not None and dialect.width > 1 and dialect.share >= _LIKELY and lines >= 3


def preview_delimited(source: Source, encoding: Encoding, limits: Limits, dialect: Dialect | None) -> FilePreview:
    """The table of a CSV file."""
    if dialect is None:
        return source.of_whole(FileKind.EMPTY, "CSV", notes=("It has no rows.",))
    lines = _Lines(source, encoding)
    notes = [encoding.note] if encoding.note else []
    rows = _rows(lines, dialect.delimiter, notes, whole=source.whole)
    first = []
    while len(first) < _SNIFFED_LINES and sum(map(len, first)) < _MOST_CELLS and (row := next(rows, None)):
        first.append(row)
    if not first:
        return source.of_whole(FileKind.EMPTY, "CSV", notes=(*notes, "It has no rows."))
    header = _has_header(first)
    width = Counter(map(len, first[header:] or first)).most_common(1)[0][0]
    names = _names(first[0] if header else [], width)
    table = TableGathering(names, limits)
    table.extend(first[header:])
    table.extend(rows)
    found = table.table(whole=source.whole, share=source.granted / max(1, source.size))
    notes += _notes(table, lines, limits, source)
    facts: list[tuple[str, Any]] = [("delimiter", NAMES.get(dialect.delimiter, dialect.delimiter))]
    facts += [("header", "yes" if header else "none"), ("encoding", encoding.name.removesuffix("-sig").upper())]
    format = "TSV" if dialect.delimiter == "\t" else "CSV"
    return source.of_whole(FileKind.TABLE, format, table=found, facts=tuple(facts), notes=tuple(notes))


def _rows(lines: _Lines, delimiter: str, notes: list[str], *, whole: bool) -> Iterator[list[str]]:
    """The rows that are not empty; of a file's head without the last one, whose quotes may not be closed."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t")
    last: list[str] = []
    count = 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            notes.append(f"Read only up to line {reader.line_num:,}: {error}; perhaps a quote is not closed.")
            break
        if row is None:
            break
        if last:
            count += 1
            yield last
        last = row or last[:0]
    if last and (whole or not count):
        yield last


def _tried(lines: Sequence[str], delimiter: str) -> Dialect | None:
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t") if row]
    except csv.Error:
        return Dialect(delimiter=delimiter, width=1, share=0.0)
    if not widths:
        return None
    # The first row may have one name less (R writes row names without one).
    width, count = Counter(widths[1:] or widths).most_common(1)[0]
    return Dialect(delimiter=delimiter, width=width, share=count / len(widths[1:] or widths))


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it has text where numbers or moments follow, and no value itself."""
    names = rows[0]
    if any(_kind([name]) not in (ColumnType.TEXT, None) for name in names):
        return False
    filled = [name for name in names if name]
    if len(set(filled)) < len(filled) or len(filled) < len(names) - 1 or not filled:
        return False
    if len(rows) == 1:
        return False
    shift = max(0, len(rows[1]) - len(names))
    below = [[row[place + shift] for row in rows[1:] if len(row) > place + shift] for place in range(len(names))]
    if any(_kind(cells) not in (ColumnType.TEXT, None) for cells in below):
        return True
    # All is text: a name does not come again below it.
    return not any(name in cells for name, cells in zip(names, below, strict=True) if name)


def _kind(cells: Sequence[str]) -> ColumnType | None:
    """What the cells are: a column of them says it; None where there are none."""
    if all(cell in MISSING for cell in cells):
        return None
    found = Gathering("")
    found.add(cells)
    kind = found.column().type
    return ColumnType.TEXT if kind in (ColumnType.CATEGORY, ColumnType.BOOL, ColumnType.EMPTY) else kind


def _names(header: Sequence[str], width: int) -> list[str]:
    if len(header) == width - 1:
        return ["(row)", *header]
    names = [name.strip() for name in header[:width]]
    return [*(name or f"(column {place})" for place, name in enumerate(names, 1)),
            *(f"column {place}" for place in range(len(names) + 1, width + 1))]  # fmt: skip


def _notes(table: TableGathering, lines: _Lines, limits: Limits, source: Source) -> Iterator[str]:
    if table.ragged:
        yield f"{counted(table.ragged, 'row')} have another number of cells than {table.width}."
    if lines.cut:
        yield f"{counted(lines.cut, 'line')} of more than {_LONGEST_LINE:,} characters were cut."
    if table.width > limits.columns:
        yield f"Shown are the first {limits.columns} of {table.width:,} columns."
    if not source.whole:
        yield f"Statistics are over its first {counted(table.rows, 'row')} only: the file is large."
