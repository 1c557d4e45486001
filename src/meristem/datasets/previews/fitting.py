"""Makes a preview fit into its bytes: the largest parts of the largest files are shortened first."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from meristem.datasets.previews.plain_data import to_plain
from meristem.datasets.previews.preview import Column, FilePreview, Preview
from meristem.datasets.previews.wording import cut

_NOTE = "Shortened, so that the preview stays small."
_LONGEST_PATH = 400
_FRAME = 200  # bytes around everything


def fit(preview: Preview, most: int) -> Preview:
    """A preview whose JSON has at most `most` bytes, which are 20,000 or more."""
    preview = replace(
        preview,
        largest=tuple((_short_path(path), size) for path, size in preview.largest),
        previews=tuple(replace(one, path=_short_path(one.path)) for one in preview.previews),
    )
    frame = len(replace(preview, previews=()).to_json()) + _FRAME
    if frame > most // 2:
        preview = replace(preview, largest=(), notes=(*preview.notes, _NOTE))
        frame = len(replace(preview, previews=()).to_json()) + _FRAME
    left = most - frame
    by_size = sorted(range(len(preview.previews)), key=lambda place: _size(preview.previews[place]))
    kept: dict[int, FilePreview] = {}
    for done, place in enumerate(by_size):
        fair = left // (len(by_size) - done)
        shortened = _shortened(preview.previews[place], fair)
        if shortened is not None:
            kept[place] = shortened
            left -= _size(shortened)
    return replace(preview, previews=tuple(kept[place] for place in sorted(kept)))


def _shortened(one: FilePreview, most: int) -> FilePreview | None:
    if _size(one) <= most:
        return one
    one = replace(one, notes=(*one.notes, _NOTE))
    for step in _STEPS:
        one = step(one)
        if _size(one) <= most:
            return one
    return None


def _fewer_rows(one: FilePreview) -> FilePreview:
    return _with_head(one, rows=8, columns=30, cell=40)


def _fewer_columns(one: FilePreview) -> FilePreview:
    return _with_columns(_with_head(one, rows=4, columns=15, cell=20), columns=50, top=5)


def _few_columns(one: FilePreview) -> FilePreview:
    return _with_columns(_with_head(one, rows=0, columns=0, cell=0), columns=15, top=3)


def _without_picture(one: FilePreview) -> FilePreview:
    return replace(one, thumbnail="", lines=tuple(cut(line, 60) for line in one.lines[:5]), facts=one.facts[:5])


def _bare(one: FilePreview) -> FilePreview:
    return replace(one, table=None, arrays=(), lines=(), facts=(), notes=(_NOTE,))


_STEPS: tuple[Callable[[FilePreview], FilePreview], ...] = (
    _fewer_rows, _fewer_columns, _few_columns, _without_picture, _bare,
)  # fmt: skip


def _with_head(one: FilePreview, *, rows: int, columns: int, cell: int) -> FilePreview:
    if one.table is None:
        return one
    head = tuple(
        tuple(None if value is None else cut(value, cell) for value in row[:columns]) for row in one.table.head[:rows]
    )
    return replace(one, table=replace(one.table, head=head))


def _with_columns(one: FilePreview, *, columns: int, top: int) -> FilePreview:
    if one.table is None:
        return one
    kept = tuple(_short_column(column, top) for column in one.table.columns[:columns])
    return replace(one, table=replace(one.table, columns=kept))


def _short_column(column: Column, top: int) -> Column:
    return replace(column, name=cut(column.name, 30), top=tuple((cut(value, 20), n) for value, n in column.top[:top]))


def _short_path(path: str) -> str:
    third = _LONGEST_PATH // 3
    return path if len(path) <= _LONGEST_PATH else f"{path[:third]}…{path[-2 * third :]}"


def _size(one: FilePreview) -> int:
    return len(json.dumps(to_plain(one), separators=(",", ":"))) + 1
