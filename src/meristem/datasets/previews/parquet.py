"""Parquet by pyarrow: types and counts from its footer, statistics over its first rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from meristem.datasets.previews.columns import MISSING, Gathering, column_of_numbers
from meristem.datasets.previews.json_files import cell_text
from meristem.datasets.previews.limits import Limits
from meristem.datasets.previews.preview import Column, FileKind, FilePreview, Table
from meristem.datasets.previews.source import Source
from meristem.datasets.previews.wording import counted, cut

_MOST_ROWS = 100_000
_MOST_BYTES = 32 << 20  # of a row group's columns, unpacked
_MOST_FOOTER = 16 << 20
_BATCH = 4_096  # rows


def preview_parquet(source: Source, limits: Limits) -> FilePreview:
    """The table of a Parquet file."""
    try:
        import pyarrow.parquet as pq  # optional, and slow to import
    except ImportError:
        return source.of_whole(FileKind.BINARY, "Parquet", notes=("Not read: pyarrow is missing.",))
    footer = int.from_bytes(source.at(source.size - 8, 4), "little")
    if footer > min(source.size, _MOST_FOOTER):
        return source.of_whole(FileKind.BINARY, "Parquet", notes=("It is broken: its footer is too large.",))
    try:
        with pq.ParquetFile(
            source.file(), thrift_string_size_limit=_MOST_FOOTER, thrift_container_size_limit=1_000_000
        ) as file:
            return _opened(source, file, limits)
    except Exception as error:  # Arrow's own errors, and those of our limits through its C++
        wrong = cut(f"It cannot be read: {str(error) or type(error).__name__}", 160)
        return source.of_whole(FileKind.BINARY, "Parquet", notes=(wrong,))


def _opened(source: Source, file: Any, limits: Limits) -> FilePreview:
    meta, names = file.metadata, list(file.schema_arrow.names)
    facts = [("row groups", meta.num_row_groups), ("compression", _compression(meta)),
             ("written by", cut(str(meta.created_by or "?"), 60))]  # fmt: skip
    read, notes = _readable(meta, names, limits, source.granted)
    parts: dict[str, _Part] = {name: _part(name, file.schema_arrow.field(name).type) for name in read}
    head: list[tuple[str | None, ...]] = []
    seen = 0
    most = min(_MOST_ROWS, max(limits.rows, limits.cells // 2 // max(1, len(read))))
    if read and meta.num_row_groups:
        for batch in file.iter_batches(batch_size=_BATCH, row_groups=[0], columns=read, use_threads=False):
            batch = batch.slice(0, most - seen)
            head += _head(batch, limits, limits.rows - len(head))
            for name in read:
                parts[name].add(batch.column(batch.schema.get_field_index(name)))
            seen += batch.num_rows
            if seen >= most:
                break
    if seen < meta.num_rows:
        notes.append(f"Statistics are over its first {counted(seen, 'row')} only.")
    types = {name: cut(str(file.schema_arrow.field(name).type), 40) for name in names[: limits.columns]}
    table = Table(
        rows=meta.num_rows,
        seen=seen,
        width=len(names),
        columns=tuple(parts[name].column(limits.cell) for name in read),
        head=tuple(head),
    )
    facts.append(("types", cut(", ".join(f"{name}: {kind}" for name, kind in types.items()), 400)))
    return source.of_whole(FileKind.TABLE, "Parquet", table=table, facts=tuple(facts), notes=tuple(notes))


def _readable(meta: Any, names: list[str], limits: Limits, granted: int) -> tuple[list[str], list[str]]:
    """The columns of the first row group that are not too large, and what is to be said."""
    notes: list[str] = []
    if not meta.num_row_groups:
        return [], notes
    group = meta.row_group(0)
    unpacked: dict[str, int] = {}
    packed: dict[str, int] = {}
    for place in range(min(group.num_columns, 10_000)):
        chunk = group.column(place)
        name = chunk.path_in_schema.partition(".")[0]
        unpacked[name] = unpacked.get(name, 0) + max(0, chunk.total_uncompressed_size)
        packed[name] = packed.get(name, 0) + max(0, chunk.total_compressed_size)
    found: list[str] = []
    left, left_packed = _MOST_BYTES, granted
    for name in dict.fromkeys(names[: limits.columns]):
        if unpacked.get(name, 0) <= left and packed.get(name, 0) <= left_packed and names.count(name) == 1:
            left, left_packed = left - unpacked.get(name, 0), left_packed - packed.get(name, 0)
            found.append(name)
    large = min(len(names), limits.columns) - len(found)
    if large:
        notes.append(f"{counted(large, 'column is', 'columns are')} too large to be read.")
    if len(names) > limits.columns:
        notes.append(f"Shown are the first {limits.columns} of {len(names):,} columns.")
    return found, notes


class _Part:
    """A column of anything, as text."""

    def __init__(self, name: str) -> None:
        self._gathering = Gathering(name)

    def add(self, values: Any) -> None:
        self._gathering.add([_cell(value) for value in values.to_pylist()])

    def column(self, longest: int) -> Column:
        return self._gathering.column(longest)


class _Numbers(_Part):
    """A column of numbers, which never become text."""

    def __init__(self, name: str, *, whole: bool) -> None:
        self._name, self._whole = name, whole
        self._values: list[Any] = []
        self._missing = 0

    def add(self, values: Any) -> None:
        import pyarrow as pa  # optional, and slow to import

        floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        self._missing += int(np.isnan(floats).sum())
        self._values.append(floats[~np.isnan(floats)])

    def column(self, longest: int) -> Column:
        values = np.concatenate(self._values) if self._values else np.zeros(0)
        if not values.size:
            return Gathering(self._name).column(longest)
        different, counts = np.unique(values[:_MOST_ROWS], return_counts=True)
        top = sorted(zip(different, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))
        shown = tuple((str(int(v)) if self._whole else f"{v:.10g}", int(n)) for v, n in top) if len(top) <= 20 else ()
        known = {"name": cut(self._name, longest), "count": values.size, "missing": self._missing,
                 "distinct": len(different) if len(different) <= 1000 else None, "top": shown}  # fmt: skip
        return column_of_numbers(values, whole=self._whole, known=known)


def _part(name: str, kind: Any) -> _Part:
    import pyarrow as pa  # optional, and slow to import

    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _Numbers(name, whole=pa.types.is_integer(kind))
    return _Part(name)


def _head(batch: Any, limits: Limits, most: int) -> list[tuple[str | None, ...]]:
    if most <= 0 or not batch.num_columns:
        return []
    columns = [[_cell(value) for value in column.to_pylist()] for column in batch.slice(0, most).columns]
    return [
        tuple(None if cell in MISSING else cut(cell, limits.cell) for cell in row) for row in zip(*columns, strict=True)
    ]


def _cell(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value):,} bytes"
    if value is None or isinstance(value, (bool, str, int, float, list, dict)):
        return cell_text(value)
    return str(value)  # dates, moments, decimals


def _compression(meta: Any) -> str:
    if not meta.num_row_groups or not meta.row_group(0).num_columns:
        return "none"
    return str(meta.row_group(0).column(0).compression).lower()
