"""Tables of many kinds as columns and rows. Nothing is imported for them: they are known by what they can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from meristem.errors import InputError
from meristem.tasks.reporting.json_values import cell

LONGEST_TABLE = 10_000  # rows shown of a table; an artifact keeps them all


def table_of(given: Any) -> dict[str, Any]:
    """`{"columns": […], "rows": [[…]], "row_count": n}` of a table, its first rows where it is long.

    Args:
        given: A pandas or polars DataFrame, a dict of columns, a list of dicts, a list of rows (the first may be the
            names of the columns), or an array of one or two dimensions.

    Raises:
        InputError: It is none of these.
    """
    columns, rows, count = _taken_apart(given)
    shown = [[cell(value) for value in row] for row in islice(rows, LONGEST_TABLE)]
    return {"columns": [str(column) for column in columns], "rows": shown, "row_count": count}


def _taken_apart(given: Any) -> tuple[Sequence[Any], Iterable[Sequence[Any]], int]:
    if hasattr(given, "itertuples") and hasattr(given, "columns"):
        return _of_pandas(given)
    if hasattr(given, "iter_rows") and hasattr(given, "columns"):
        return given.columns, given.iter_rows(), len(given)
    if isinstance(given, Mapping):
        return _of_columns(given)
    if hasattr(given, "tolist") and getattr(given, "ndim", 0) in (1, 2):
        given = given.tolist()
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        return _of_rows(given)
    raise InputError(
        f"No table can be made of a {type(given).__name__}.",
        fix="A table is a DataFrame, a dict of columns, a list of rows or of dicts, or an array of two dimensions.",
    )


def _of_pandas(frame: Any) -> tuple[Sequence[Any], Iterable[Sequence[Any]], int]:
    index = type(frame.index).__name__
    if index == "RangeIndex":
        return list(frame.columns), frame.itertuples(index=False, name=None), len(frame)
    columns = [frame.index.name or "index", *frame.columns]
    return columns, frame.itertuples(index=True, name=None), len(frame)


def _of_columns(columns: Mapping[Any, Any]) -> tuple[Sequence[Any], Iterable[Sequence[Any]], int]:
    listed = [
        list(values) if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) else [values]
        for values in columns.values()
    ]
    count = max(map(len, listed), default=0)
    padded = [values + [None] * (count - len(values)) for values in listed]
    return list(columns), zip(*padded, strict=True), count


def _of_rows(rows: Sequence[Any]) -> tuple[Sequence[Any], Iterable[Sequence[Any]], int]:
    if rows and all(isinstance(row, Mapping) for row in rows):
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return columns, ([row.get(name) for name in columns] for row in rows), len(rows)
    listed = [list(row) if isinstance(row, (list, tuple)) or hasattr(row, "tolist") else [row] for row in rows]
    width = max(map(len, listed), default=0)
    columns = [str(i + 1) for i in range(width)]
    if len(listed) > 1 and len(listed[0]) == width and all(isinstance(name, str) for name in listed[0]):
        columns, listed = listed[0], listed[1:]
    return columns, [row + [None] * (width - len(row)) for row in listed], len(listed)
