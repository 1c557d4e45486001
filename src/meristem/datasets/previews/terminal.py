"""A preview in a terminal: Rich tables, histograms as bars of block characters.

Nothing of what files hold is read as Rich's markup or reaches the terminal as a control character.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meristem.datasets.previews.preview import Array, Column, ColumnType, FileKind, FilePreview, Preview, Table
from meristem.datasets.previews.sizes import size_labels
from meristem.datasets.previews.wording import bytes_text, counted, number, plain, plain_path, share

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod, RenderableType
    from rich.table import Table as RichTable
    from rich.text import Text

_BARS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 24
_ROWS = 8
_SUFFIXES = 10
_NARROW = 90
_CELL = 24
_BETWEEN = 2  # characters between columns
_MOST_VALUES, _FEWEST_BARS = 44, 8
_ACCENT, _NUMBER, _TEXT, _TIME, _WARN = "cyan", "cyan", "green", "magenta", "yellow"
_STYLES = {ColumnType.INT: _NUMBER, ColumnType.FLOAT: _NUMBER, ColumnType.DATETIME: _TIME, ColumnType.EMPTY: "dim"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """What is told of a table's columns, and in how many characters: names, ends of texts, values at least."""

    shown: tuple[str, ...]
    name: int
    end: int
    values: int


_LAYOUTS = (  # from wide to narrow; the last one stands where none fits
    _Layout(("column", "type", "missing", "low", "mean", "high"), 28, 19, 20),
    _Layout(("column", "type", "missing", "low", "high"), 28, 10, 20),
    _Layout(("column", "type", "missing", "low", "high"), 14, 10, 20),
    _Layout(("column", "type", "missing", "low", "high"), 14, 10, 10),
    _Layout(("column", "missing", "low", "high"), 14, 10, 10),
    _Layout(("column", "low", "high"), 12, 10, 8),
    _Layout(("column", "low", "high"), 12, 10, 0),
)
_RIGHT = {"missing": "> ", "low": "> ", "mean": "> ", "high": "> "}


def render_terminal(preview: Preview, console: Console) -> None:
    """Prints a preview, as wide as the console is."""
    from rich.text import Text  # slow to import: only where something is printed

    total = Text(f"{counted(preview.files, 'file')}, {bytes_text(preview.bytes)}", style="bold")
    console.print(total)
    if preview.suffixes:
        console.print(_beside(_suffixes(preview), _sizes(preview), console.width))
    if preview.part:
        console.print(Text(f"{preview.part}; name others (files, folders, globs) to see them.", style="dim"))
    for note in preview.notes:
        console.print(Text(f"! {plain(note)}", style=_WARN))
    pictures = [one for one in preview.previews if one.kind is FileKind.IMAGE]
    for one in preview.previews:
        if one.kind is not FileKind.IMAGE:
            console.print()
            for part in _file(one, console.width):
                console.print(part)
    if pictures:
        console.print()
        console.print(_pictures(pictures, console.width))


def sparkline(counts: Sequence[int]) -> str:
    """One character a bin; a bin that holds anything is never empty."""
    highest = max(counts, default=0)
    if not highest:
        return ""
    return "".join(" " if not n else _BARS[min(7, max(0, -(-n * 8 // highest) - 1))] for n in counts)


def bar(part: float, width: int = _BAR_WIDTH) -> str:
    """A bar of `part` (0 to 1) of `width` characters, in eighths of them."""
    eighths = max(1, round(part * width * 8)) if part > 0 else 0
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8].strip())


def _suffixes(preview: Preview) -> RenderableType:
    table = _table("suffix", "> files", "> size", "share of bytes")
    for one in preview.suffixes[:_SUFFIXES]:
        part = one.bytes / preview.bytes if preview.bytes else 0.0
        name = _text(f".{plain(one.suffix, 14)}" if one.suffix else "(none)")
        table.add_row(name, f"{one.files:,}", bytes_text(one.bytes), _text(bar(part), _ACCENT))
    more = len(preview.suffixes) - _SUFFIXES + preview.other_suffixes
    if more > 0:
        table.add_row(_text(f"… {more:,} more", "dim"))
    return table


def _sizes(preview: Preview) -> RenderableType:
    table = _table("size of a file", "> files", "")
    most = max(preview.sizes, default=0)
    for label, count in zip(size_labels(), preview.sizes, strict=False):
        if count:
            table.add_row(label, f"{count:,}", _text(bar(count / most), _ACCENT))
    return table


def _beside(left: RenderableType, right: RenderableType, width: int) -> RenderableType:
    from rich.console import Group  # slow to import: only where something is printed
    from rich.table import Table as Grid

    if width < _NARROW:
        return Group(left, "", right)
    grid = Grid.grid(padding=(0, 4))
    grid.add_row(left, right)
    return grid


def _file(one: FilePreview, width: int) -> Iterator[RenderableType]:
    from rich.rule import Rule  # slow to import: only where something is printed

    title = _text(plain_path(one.path, max(20, width - 34)), "bold")
    title.append(f"  {one.format or one.kind.value}, {bytes_text(one.size)}", "dim")
    yield Rule(title, align="left", style="dim")
    for note in one.notes:
        yield _text(f"! {plain(note, 400)}", _WARN)
    if one.table is not None:
        yield _text(f"{rows_text(one.table)}, {counted(one.table.width, 'column')}")
    if one.facts:
        yield _text("   ".join(f"{plain(name, 60)}: {plain(number(v), 300)}" for name, v in one.facts), "dim")
    if one.table is not None and one.table.columns:
        yield _columns(one.table, width)
        yield from _head(one.table, width)
    if one.arrays:
        yield _arrays(one.arrays)
    for line in one.lines:
        yield _text(f"  {plain(line, max(20, width - 4))}")


def rows_text(table: Table) -> str:
    if table.rows is not None:
        return counted(table.rows, "row")
    return f"about {table.about:,} rows" if table.about is not None else "rows not counted"


def _columns(table: Table, width: int) -> RenderableType:
    """One row a column: as much of it as there is room for, low and high always whole."""
    for layout in _LAYOUTS:
        rows = [_column(column, layout) for column in table.columns]
        cells = zip(map(_text, layout.shown), *rows, strict=True)
        room = width - sum(max(cell.cell_len for cell in of_one) + _BETWEEN for of_one in cells)
        if room >= layout.values:
            break
    shown = _table(*(f"{_RIGHT.get(name, '')}{name}" for name in layout.shown), *(["values"] if layout.values else []))
    for column, row in zip(table.columns, rows, strict=True):
        shown.add_row(*row, *([_values(column, min(room, _MOST_VALUES))] if layout.values else []))
    return shown


def _column(column: Column, layout: _Layout) -> list[Text]:
    """What is told of it, without its values."""
    mean = number(column.mean) if column.type in (ColumnType.INT, ColumnType.FLOAT) else ""
    missing = share(column.missing, column.missing + column.count) if column.missing else "-"
    low, high = (_end(column, end, layout.end) for end in (column.low, column.high))
    cells = {
        "column": _text(plain_path(column.name, layout.name)),
        "type": _text(column.type.value, _STYLES.get(column.type, _TEXT)),
        "missing": _text(missing, "bold yellow" if column.missing else "dim"),
        "low": _text(low),
        "mean": _text(mean),
        "high": _text(high),
    }
    return [cells[name] for name in layout.shown]


def _end(column: Column, value: float | str | None, longest: int) -> str:
    if column.type is ColumnType.TEXT and value is not None:
        return f"{number(value)} chars"
    return plain(value[:longest], 40) if isinstance(value, str) else number(value)


def _values(column: Column, width: int) -> Text:
    """How its values are spread, in at most `width` characters."""
    odd = f"  {column.odd:,} odd: {plain(column.odd_value, 20)}" if column.odd else ""
    if column.histogram is not None and not column.top:
        bars = merged(column.histogram.counts, max(_FEWEST_BARS, width - len(odd)))
        text = _text(sparkline(bars), _STYLES.get(column.type, _ACCENT))
    else:
        text = _frequent(column, width - len(odd))
    text.append(odd, _WARN)
    text.truncate(width, overflow="ellipsis")
    return text


def merged(counts: Sequence[int], most: int) -> list[int]:
    """Neighbouring bins put together, as many each time as make them `most` or fewer."""
    step = -(-len(counts) // most)
    return [sum(counts[start : start + step]) for start in range(0, len(counts), step)]


def _frequent(column: Column, width: int) -> Text:
    """As many of its most frequent values as there is room for, and how many more there are."""
    distinct = column.distinct if column.distinct is not None else 1001
    shown = [f"{plain(value, 20)} {share(count, column.count)}" for value, count in column.top]
    for kept in range(len(shown), -1, -1):
        more = f"{distinct - kept:,}" if column.distinct is not None else "over 1,000"
        left = f"{'  ' if kept else ''}… {more} {'more' if kept else 'different'}" if distinct > kept else ""
        if len("  ".join(shown[:kept])) + len(left) <= width:
            break
    text = _text("  ".join(shown[:kept]))
    text.append(left, "dim")
    return text


def _head(table: Table, width: int) -> Iterator[RenderableType]:
    if not table.head:
        return
    names = [column.name for column in table.columns[: len(table.head[0])]]
    by_column = zip(names, *table.head[:_ROWS], strict=True)
    sizes = [max(len(plain(cell or "·", _CELL)) for cell in cells) for cells in by_column]
    fitting = 1
    while fitting < len(sizes) and sum(sizes[: fitting + 1]) + 2 * fitting <= width - 2:
        fitting += 1
    first = zip(names[:fitting], table.columns, strict=False)
    heads = (("> " if c.type in (ColumnType.INT, ColumnType.FLOAT) else "") + plain_path(n, _CELL) for n, c in first)
    shown = _table(*heads, of_file=True)
    for row in table.head[:_ROWS]:
        shown.add_row(*(_text("·", "dim") if cell is None else _text(plain(cell, _CELL)) for cell in row[:fitting]))
    yield _text("")
    yield shown
    left = [f"{table.width - fitting:,} more columns"] if table.width > fitting else []
    if left:
        yield _text(f"… {left[0]}", "dim")


def _pictures(pictures: Sequence[FilePreview], width: int) -> RenderableType:
    table = _table("picture", "format", "> width", "> height", "mode", "> size", "")
    for one in pictures:
        facts = {name: number(value) for name, value in one.facts}
        measured = (facts.get("width", ""), facts.get("height", ""), facts.get("mode", ""))
        name = _text(plain_path(one.path, max(20, width - 50)), "bold")
        wrong = _text(plain(" ".join(one.notes), 200), _WARN)
        table.add_row(name, plain(one.format, 20), *measured, bytes_text(one.size), wrong)
    return table


def _arrays(arrays: Sequence[Array]) -> RenderableType:
    table = _table("array", "shape", "type", "> low", "> mean", "> high", "values")
    for array in arrays:
        shape = " x ".join(f"{n:,}" for n in array.shape) or "()"
        values = array.values
        cells = ["", "", ""] if values is None else [number(values.low), number(values.mean), number(values.high)]
        bars = sparkline(values.histogram.counts) if values is not None and values.histogram else ""
        table.add_row(_text(plain(array.name or "-", 28)), shape, plain(array.dtype, 20), *cells, _text(bars, _NUMBER))
    return table


def _table(*columns: str, of_file: bool = False) -> RichTable:
    """A table without lines; "> " before a name sets its column right.

    Args:
        of_file: The names are a file's, not ours.
    """
    from rich.table import Table as Made  # slow to import: only where something is printed

    table = Made(box=None, pad_edge=False, padding=(0, _BETWEEN, 0, 0), header_style="bold" if of_file else "dim")
    for name in columns:
        side: JustifyMethod = "right" if name.startswith("> ") else "left"
        table.add_column(_text(name.removeprefix("> ")), justify=side, no_wrap=True, overflow="ellipsis")
    return table


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text  # slow to import: only where something is printed

    return Text(text, style=style)
