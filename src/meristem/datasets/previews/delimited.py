"""CSV and its relatives: which delimiter, whether there is a header, and the table."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from meristem.datasets.previews.columns import MISSING, guess
from meristem.datasets.previews.encoding import Encoding
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import ColumnType, FileKind, FilePreview
from meristem.datasets.previews.source import Source
from meristem.datasets.previews.tables import TableGathering
from meristem.datasets.previews.wording import counted

DELIMITERS = (",", "\t", ";", "|")
NAMES = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
ROW_NAMES = "(row)"  # the column that R writes without a name
_SNIFFED_LINES = 60
_LONGEST_LINE = 1 << 17  # characters; more cells than that hold would take much memory
_AT_ONCE = 1 << 16  # characters, or one line
_COMMA_NUMBER, _POINT_NUMBER = re.compile(r"\s*[+-]?\d+,\d+\s*"), re.compile(r"\s*[+-]?\d+\.\d+\s*")
_ENDS = ("\n", "\r")
_MOST_CELLS = 50_000  # in the first rows
_MOST_NAMES = 200  # that are looked at to tell whether they are names
_LIKELY = 0.9  # share of lines of equal width


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a file is read: its delimiter, and how many cells most rows have."""

    delimiter: str
    width: int
    share: float
    header: bool  # the first row has as many


class _Lines:
    """Lines of text with their ends; too long ones are cut, and of a file's head the last one, which is not whole."""

    def __init__(self, source: Source, encoding: Encoding) -> None:
        self._text = io.TextIOWrapper(io.BytesIO(source.start), encoding.name, errors="replace", newline="")
        self._whole = source.whole
        self.cut = 0
        self.taken = 0  # characters

    def __iter__(self) -> Iterator[str]:
        lines = self._text.readlines(_AT_ONCE)
        while lines:
            following = self._text.readlines(_AT_ONCE)
            self.taken += sum(map(len, lines))
            if max(map(len, lines)) > _LONGEST_LINE:
                lines = list(map(self._shorter, lines))
            if not following and not self._whole and len(lines) > 1 and not lines[-1].endswith(_ENDS):
                lines.pop()
            yield from lines
            lines = following

    def _shorter(self, line: str) -> str:
        if len(line) <= _LONGEST_LINE:
            return line
        self.cut += 1
        return line[:_LONGEST_LINE] + "\n"


def sniff(source: Source, encoding: Encoding, delimiters: Sequence[str] = DELIMITERS) -> Dialect | None:
    """The delimiter that gives the first lines equally many cells; None where there is no line."""
    lines = []
    for line in _Lines(source, encoding):
        lines.append(line)
        if len(lines) == _SNIFFED_LINES or sum(map(len, lines)) > _LONGEST_LINE:
            break
    found = [dialect for one in delimiters if (dialect := _tried(lines, one))]
    return max(found, key=lambda d: (d.width > 1, round(d.share, 1), d.header, d.width), default=None)


def is_table(dialect: Dialect | None, lines: int = 3) -> bool:
    """Whether a file that does not say so is one, as far as its first lines tell."""
    return dialect is not None and dialect.width > 1 and dialect.share >= _LIKELY and lines >= 3


def preview_delimited(source: Source, encoding: Encoding, limits: Limits, dialect: Dialect | None) -> FilePreview:
    """The table of a CSV file."""
    if dialect is None:
        return source.of_whole(FileKind.EMPTY, "CSV", notes=("It has no rows.",))
    lines = _Lines(source, encoding)
    notes = [encoding.note] if encoding.note else []
    rows = _rows(lines, dialect.delimiter, notes)
    rows = rows if source.whole else _without_last(rows)
    first: list[list[str]] = []
    while len(first) < _SNIFFED_LINES and sum(map(len, first)) < _MOST_CELLS and (row := next(rows, None)):
        first.append(row)
    if not first:
        return source.of_whole(FileKind.EMPTY, "CSV", notes=(*notes, "It has no rows."))
    header = _has_header(first)
    width = Counter(map(len, first[header:] or first)).most_common(1)[0][0]
    names = _names(first[0] if header else [], width)
    commas = dialect.delimiter != "," and _has_decimal_commas(first[header:])
    table = TableGathering(names, limits, decimal="," if commas else ".")
    table.extend(first[header:])
    table.extend(rows)
    whole = source.whole and not table.full
    read = lines.taken if table.full else source.granted
    found = table.table(whole=whole, share=min(1.0, read / max(1, source.size)))
    notes += _notes(table, lines, limits, source)
    facts: list[tuple[str, Any]] = [("delimiter", NAMES.get(dialect.delimiter, dialect.delimiter))]
    facts += [("header", "yes" if header else "none"), ("encoding", encoding.name.removesuffix("-sig").upper())]
    facts += [("decimal mark", "comma")] if commas else []
    format = "TSV" if dialect.delimiter == "\t" else "CSV"
    return source.of_whole(FileKind.TABLE, format, table=found, facts=tuple(facts), notes=tuple(notes))


def _rows(lines: _Lines, delimiter: str, notes: list[str]) -> Iterator[list[str]]:
    """The rows that are not empty, up to a place that cannot be read."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t")
    try:
        yield from filter(None, reader)
    except csv.Error as error:
        notes.append(f"Read only up to line {reader.line_num:,}: {error}; perhaps a quote is not closed.")


def _without_last(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Of a file's head: in its last row a quote may be open."""
    last = next(rows, None)
    alone = True
    for row in rows:
        if last is not None:
            yield last
        last, alone = row, False
    if last is not None and alone:
        yield last


def _tried(lines: Sequence[str], delimiter: str) -> Dialect | None:
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=delimiter != "\t") if row]
    except csv.Error:
        return Dialect(delimiter=delimiter, width=1, share=0.0, header=False)
    if not widths:
        return None
    # The first row may have one name less (R writes row names without one).
    width, count = Counter(widths[1:] or widths).most_common(1)[0]
    share = count / len(widths[1:] or widths)
    return Dialect(delimiter=delimiter, width=width, share=share, header=widths[0] == width)


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it has text where numbers or moments follow, and no value itself."""
    names = rows[0][:_MOST_NAMES]
    if any(name not in MISSING and guess([name]) is not ColumnType.TEXT for name in names):
        return False
    filled = [name for name in names if name]
    if len(set(filled)) < len(filled) or len(filled) < len(names) - 1 or not filled:
        return False
    if len(rows) == 1:
        return False
    shift = max(0, len(rows[1]) - len(rows[0]))
    columns = [[row[place + shift] for row in rows[1:] if len(row) > place + shift] for place in range(len(names))]
    below = [[cell for cell in cells if cell not in MISSING] for cells in columns]
    if any(cells and guess(cells) is not ColumnType.TEXT for cells in below):
        return True
    # All is text: a name does not come again below it.
    return not any(name in cells for name, cells in zip(names, below, strict=True) if name)


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    """Whether numbers are written as 1,5, and none as 1.5."""
    cells = [cell for row in rows for cell in row[:_MOST_NAMES]]
    return any(map(_COMMA_NUMBER.fullmatch, cells)) and not any(map(_POINT_NUMBER.fullmatch, cells))


def _names(header: Sequence[str], width: int) -> list[str]:
    if len(header) == width - 1:
        return [ROW_NAMES, *header]
    names = [name.strip() for name in header[:width]]
    return [*(name or f"(column {place})" for place, name in enumerate(names, 1)),
            *(f"column {place}" for place in range(len(names) + 1, width + 1))]  # fmt: skip


def _notes(table: TableGathering, lines: _Lines, limits: Limits, source: Source) -> Iterator[str]:
    if table.ragged:
        rows = f"{counted(table.ragged, 'row')} {'has' if table.ragged == 1 else 'have'}"
        yield f"{rows} another number of cells than {table.width}."
    if lines.cut:
        yield f"{counted(lines.cut, 'line')} of more than {_LONGEST_LINE:,} characters were cut."
    if table.width > limits.columns:
        yield f"Shown are the first {limits.columns} of {table.width:,} columns."
    if not source.whole or table.full:
        yield f"Statistics are over its first {counted(table.rows, 'row')} only: the file is large."
