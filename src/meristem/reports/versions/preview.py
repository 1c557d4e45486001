"""A preview as a part of an HTML page: tables, histograms as SVG, small pictures; no scripts, everything escaped."""

from __future__ import annotations

import base64
import binascii
import html
from collections.abc import Iterable, Sequence

from meristem.datasets.previews.preview import (
    Array,
    Column,
    ColumnType,
    FileKind,
    FilePreview,
    Histogram,
    Preview,
    Table,
)
from meristem.datasets.previews.sizes import size_labels
from meristem.datasets.previews.wording import bytes_text, counted, moment, number, plain, plain_path, share

_NUMBERS = (ColumnType.INT, ColumnType.FLOAT)
_WIDTH, _HEIGHT = 140, 26
_BAR = 200
_SUFFIXES = 10
_LARGEST = 5
_TOP = 4
_MIDDOT = '<span class="none">·</span>'
_PNG = b"\x89PNG\r\n\x1a\n"


def preview_html(preview: Preview) -> str:
    """The preview as a fragment; `preview.css` is its style."""
    notes = "".join(f'<p class="wrong">{_text(note, 400)}</p>' for note in preview.notes)
    pictures = [one for one in preview.previews if one.kind is FileKind.IMAGE]
    others = [one for one in preview.previews if one.kind is not FileKind.IMAGE]
    first = next((one for one in others if one.table is not None), None)
    shown = "".join(_file(one, unfolded=one is first) for one in others) + (_pictures(pictures) if pictures else "")
    part = f'<p class="more">{preview.part}.</p>' if preview.part else ""
    return f'<div class="preview">{_overview(preview)}{part}{notes}{shown}</div>'


def _overview(preview: Preview) -> str:
    if not preview.files:
        return '<p class="facts">It has no files.</p>'
    suffixes = [
        f"<tr><td>{_suffix(one.suffix)}</td><td class=number>{one.files:,}</td>"
        f"<td class=number>{bytes_text(one.bytes)}</td><td class=wide>{_bar(one.bytes, preview.bytes)}</td></tr>"
        for one in preview.suffixes[:_SUFFIXES]
    ]
    more = len(preview.suffixes) - len(suffixes) + preview.other_suffixes
    left = f'<p class="more">and {counted(more, "more suffix", "more suffixes")}</p>' if more else ""
    most = max(preview.sizes, default=0)
    sizes = [
        f"<tr><td>{label}</td><td class=number>{count:,}</td><td class=wide>{_bar(count, most)}</td></tr>"
        for label, count in zip(size_labels(), preview.sizes, strict=False)
        if count
    ]
    largest = "".join(
        f"<span>{_text(plain_path(path, 60))} ({bytes_text(size)})</span>" for path, size in preview.largest[:_LARGEST]
    )
    return (
        f'<div class="two"><div>{_table(["suffix", "#files", "#size", "share of bytes"], suffixes)}{left}</div>'
        f"<div>{_table(['size of a file', '#files', ''], sizes)}</div></div>"
        f'<p class="facts"><span>Largest:</span>{largest}</p>'
    )


def _file(one: FilePreview, *, unfolded: bool) -> str:
    what = f"{plain(one.format, 60) or one.kind.value}, {bytes_text(one.size)}"
    parts = [f"<h4>{_text(plain_path(one.path))}<small>{_escaped(what)}</small></h4>"]
    facts: list[tuple[str, float | int | str]] = list(one.facts)
    if one.table is not None:
        facts[:0] = [("rows", _rows(one.table)), ("columns", one.table.width)]
    if facts:
        told = "".join(f"<span>{_text(name, 80)}: {_text(number(value), 400)}</span>" for name, value in facts)
        parts.append(f'<p class="facts">{told}</p>')
    parts += [f'<p class="wrong">{_text(note, 400)}</p>' for note in one.notes]
    if one.table is not None and one.table.columns:
        parts += [_columns(one.table), _head(one.table, unfolded=unfolded)]
    if one.arrays:
        parts.append(_arrays(one.arrays))
    if one.lines:
        parts.append(f"<pre>{_escaped(chr(10).join(plain(line, 200) for line in one.lines))}</pre>")
    return "".join(parts)


def _rows(table: Table) -> str:
    if table.rows is not None:
        return f"{table.rows:,}"
    return f"about {table.about:,}" if table.about is not None else "not counted"


def _columns(table: Table) -> str:
    numeric = any(column.type in _NUMBERS for column in table.columns)
    rows = [_column(column, numeric) for column in table.columns]
    middle = ["#mean", "#std", "#median"] if numeric else []
    more = table.width - len(table.columns)
    left = f'<p class="more">and {counted(more, "more column")}</p>' if more > 0 else ""
    return _framed(_table(["column", "type", "#missing", "values", "#low", *middle, "#high"], rows)) + left


def _column(column: Column, numeric: bool) -> str:
    missing = (
        f'<span class="gaps">{share(column.missing, column.missing + column.count)}</span>'
        if column.missing
        else _MIDDOT
    )
    middle = [column.mean, column.std, column.quantiles[2] if len(column.quantiles) == 5 else None]
    middle = middle if column.type in _NUMBERS else [None, None, None]
    cells = [_end(column, column.low), *(map(_number, middle) if numeric else []), _end(column, column.high)]
    numbers = "".join(f"<td class=number>{cell}</td>" for cell in cells)
    return (
        f"<tr><td>{_text(column.name, 60)}</td><td class=type>{column.type.value}</td>"
        f"<td class=number>{missing}</td><td>{_values(column)}</td>{numbers}</tr>"
    )


def _end(column: Column, value: float | str | None) -> str:
    if column.type is ColumnType.TEXT and value is not None:
        return f'{_number(value)} <span class="type">chars</span>'
    return _number(value)


def _number(value: float | str | None) -> str:
    return _MIDDOT if value is None else _text(number(value), 40)


def _values(column: Column) -> str:
    parts = []
    if column.top:
        parts.append(_parts(column))
    elif column.histogram is not None:
        parts.append(histogram_svg(column.histogram, times=column.type is ColumnType.DATETIME))
    elif column.count:
        different = f"{column.distinct:,}" if column.distinct is not None else "over 1,000"
        parts.append(f'<span class="type">{different} different</span>')
    if column.odd:
        parts.append(f'<span class="gaps">{column.odd:,} odd, such as {_text(column.odd_value, 40)}</span>')
    if column.infinite:
        parts.append(f'<span class="gaps">{column.infinite:,} infinite</span>')
    return " ".join(parts)


def _parts(column: Column) -> str:
    """The most frequent values, and their shares as a bar."""
    top = column.top[:_TOP]
    bars = "".join(f'<i style="width:{100 * count / max(1, column.count):.1f}%"></i>' for _, count in top)
    named = "".join(f"<span>{_text(value, 24)} <b>{share(count, column.count)}</b></span>" for value, count in top)
    left = column.distinct - len(top) if column.distinct is not None else 0
    more = f"<span><b>and {left:,} more</b></span>" if left > 0 else ""
    return f'<div class="parts"><div class="share">{bars}</div>{named}{more}</div>'


def histogram_svg(histogram: Histogram, *, times: bool = False) -> str:
    """Bars of a histogram; hovering tells each bin's range and count."""
    counts = histogram.counts
    highest, width = max(counts), _WIDTH / len(counts)
    step = (histogram.high - histogram.low) / len(counts)
    bars = [f'<rect class="base" x="0" y="{_HEIGHT - 1}" width="{_WIDTH}" height="1"/>']
    for place, count in enumerate(counts):
        if not count:
            continue
        height = max(1.5, (_HEIGHT - 1) * count / highest)
        ends = (histogram.low + step * place, histogram.low + step * (place + 1))
        named = [moment(round(end)) if times else number(end) for end in ends]
        bars.append(
            f'<rect{" class=time" if times else ""} x="{place * width:.2f}" y="{_HEIGHT - height:.1f}" '
            f'width="{max(1.0, width - 1):.2f}" height="{height:.1f}"><title>{named[0]} to {named[1]}: {count:,}'
            "</title></rect>"
        )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="Histogram">{"".join(bars)}</svg>'


def _head(table: Table, *, unfolded: bool) -> str:
    if not table.head:
        return ""
    columns = table.columns[: len(table.head[0])]
    right = [column.type in _NUMBERS for column in columns]
    rows = []
    for row in table.head:
        cells = (
            f"<td{' class=number' if numeric else ''}>{_MIDDOT if cell is None else _text(cell, 60)}</td>"
            for cell, numeric in zip(row, right, strict=False)
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    heads = "".join(
        f'<th scope="col"{" class=number" if numeric else ""}>{_text(column.name, 40)}</th>'
        for column, numeric in zip(columns, right, strict=True)
    )
    shown = _framed(f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>")
    named = f"First {counted(len(rows), 'row')}" if len(rows) > 1 else "First row"
    return f"<details{' open' if unfolded else ''}><summary>{named}</summary>{shown}</details>"


def _arrays(arrays: Iterable[Array]) -> str:
    rows = []
    for array in arrays:
        shape = " × ".join(f"{n:,}" for n in array.shape) or "()"
        found = array.values
        ends = [None, None, None, None] if found is None else [found.low, found.mean, found.std, found.high]
        bars = histogram_svg(found.histogram) if found is not None and found.histogram is not None else ""
        note = f'<span class="gaps">{_text(array.note, 160)}</span>' if array.note else ""
        told = note or (f'<span class="type">of each {array.step}th value</span>' if array.step > 1 else "")
        rows.append(
            f"<tr><td>{_text(array.name or '-', 60)}</td><td class=number>{shape}</td><td class=type>"
            f"{_text(array.dtype, 60)}</td><td>{bars}{told}</td>"
            + "".join(f"<td class=number>{_number(end)}</td>" for end in ends)
            + "</tr>"
        )
    return _framed(_table(["array", "#shape", "type", "values", "#low", "#mean", "#std", "#high"], rows))


def _pictures(pictures: Sequence[FilePreview]) -> str:
    return f'<div class="pictures">{"".join(map(_picture, pictures))}</div>'


def _picture(one: FilePreview) -> str:
    facts = dict(one.facts)
    size = f"{facts['width']} × {facts['height']}" if {"width", "height"} <= facts.keys() else ""
    told = ", ".join(filter(None, [one.format, size, str(facts.get("mode", "")), bytes_text(one.size)]))
    wrong = "".join(f'<br><span class="wrong">{_text(note, 200)}</span>' for note in one.notes)
    image = f'<img alt="" src="data:image/png;base64,{one.thumbnail}">' if _is_png(one.thumbnail) else ""
    name = _text(plain_path(one.path, 60))
    return f"<figure>{image}<figcaption><b>{name}</b><br>{_text(told)}{wrong}</figcaption></figure>"


def _is_png(thumbnail: str) -> bool:
    """Whether it is what it should be: it stands in a page unescaped."""
    try:
        return base64.b64decode(thumbnail, validate=True).startswith(_PNG)
    except (binascii.Error, ValueError):
        return False


def _bar(part: int, whole: int) -> str:
    width = max(2.0, _BAR * part / whole) if part and whole else 0.0
    bar = f'<rect width="{width:.1f}" height="9" rx="1"/>'
    frame = f'width="100%" height="9" viewBox="0 0 {_BAR} 9" preserveAspectRatio="none"'
    return f'<svg {frame} aria-hidden="true">{bar}</svg>'


def _suffix(suffix: str) -> str:
    return f".{_text(suffix, 20)}" if suffix else "(none)"


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """Rows below a header; "#" before a name sets its column right."""
    cells = "".join(
        f'<th scope="col"{" class=number" if head.startswith("#") else ""}>{head.removeprefix("#")}</th>'
        for head in heads
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _framed(table: str) -> str:
    return f'<div class="scroll table">{table}</div>'


def _text(value: str, longest: int = 200) -> str:
    return _escaped(plain(value, longest))


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
