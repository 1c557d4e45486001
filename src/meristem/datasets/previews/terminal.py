"""A preview in a terminal: Rich tables, histograms as bars of block characters.

Nothing of what files hold is read as Rich's markup or reaches the terminal as a control character.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_ACCENT, _NUMBER, _TEXT, _TIME, _WARN = "cyan", "cyan", "green", "magenta", "yellow"
_STYLES = {ColumnType.INT: _NUMBER, ColumnType.FLOAT: _NUMBER, ColumnType.DATETIME: _TIME, ColumnType.EMPTY: "dim"}


def render_terminal(preview: Preview, console: Console) -> None:
    """Prints a preview, as wide as the console is."""
    from rich.text import Text  # slow to import: only where something is printed

    total = Text(f"{counted(preview.files, 'file')}, {bytes_text(preview.bytes)}", style="bold")
    console.print(total)
    if preview.suffixes:
        console.print(_beside(_suffixes(preview), _sizes(preview), console.width))
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
    narrow = width < _NARROW
    shown = _table("column", "type", "> missing", "> low", *([] if narrow else ["> mean"]), "> high", "values")
    for column in table.columns:
        low, high = (_end(column, end, 10 if narrow else 19) for end in (column.low, column.high))
        mean = number(column.mean) if column.type in (ColumnType.INT, ColumnType.FLOAT) else ""
        missing = share(column.missing, column.missing + column.count) if column.missing else "-"
        shown.add_row(
            _text(plain(column.name, 16 if narrow else 28)),
            _text(column.type.value, _STYLES.get(column.type, _TEXT)),
            _text(missing, "bold yellow" if column.missing else "dim"),
            low, *([] if narrow else [mean]), high,
            _values(column, 20 if narrow else 44),
        )  # fmt: skip
    return shown


def _end(column: Column, value: float | str | None, longest: int) -> str:
    if column.type is ColumnType.TEXT and value is not None:
        return f"{number(value)} chars"
    return plain(value[:longest], 40) if isinstance(value, str) else number(value)


def _values(column: Column, width: int) -> Text:
    if column.histogram is not None and not column.top:
        text = _text(sparkline(column.histogram.counts), _STYLES.get(column.type, _ACCENT))
    else:
        parts = [f"{plain(value, 20)} {share(count, column.count)}" for value, count in column.top]
        kept = [part for place, part in enumerate(parts) if not place or len("  ".join(parts[: place + 1])) <= width]
        text = _text("  ".join(kept))
        distinct = column.distinct if column.distinct is not None else 1001
        if distinct > len(kept):
            more = f"{distinct - len(kept):,}" if column.distinct is not None else "over 1,000"
            text.append(f"{'  ' if kept else ''}… {more} {'more' if kept else 'different'}", "dim")
    if column.odd:
        text.append(f"  {column.odd:,} odd: {plain(column.odd_value, 20)}", _WARN)
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
    heads = (("> " if c.type in (ColumnType.INT, ColumnType.FLOAT) else "") + plain(n, _CELL) for n, c in first)
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

    table = Made(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold" if of_file else "dim")
    for name in columns:
        side: JustifyMethod = "right" if name.startswith("> ") else "left"
        table.add_column(_text(name.removeprefix("> ")), justify=side, no_wrap=True, overflow="ellipsis")
    return table


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text  # slow to import: only where something is printed

    return Text(text, style=style)
