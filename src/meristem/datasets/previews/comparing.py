"""What changed between two versions' looks: rows, columns, means, missing values, categories."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from meristem.datasets.previews.delimited import ROW_NAMES
from meristem.datasets.previews.preview import Column, ColumnType, FilePreview, Preview, Suffix, Table
from meristem.datasets.previews.wording import number, plain, share

_NUMBERS = (ColumnType.INT, ColumnType.FLOAT)
_SHIFT = 0.1  # standard deviations by which a mean must move to be told
_SHARE = 0.02  # by which a share of missing values, or of a category, must change to be told
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """How one table differs from an earlier one.

    Attributes:
        path: Of the later file.
        before: Of the earlier one: the same, or the nearest of the same columns where the later file is new.
        rows: Before and after; None where they were not counted.
        said: What changed in its columns, one sentence each, the greatest changes first.
    """

    path: str
    before: str
    rows: tuple[int | None, int | None]
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        same = self.rows[0] == self.rows[1]
        return same and not (self.columns_added or self.columns_removed or self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewDifferences:
    """How a version's looks differ from an earlier one's; pairs are before and after."""

    files: tuple[int, int]
    bytes: tuple[int, int]
    suffixes: tuple[tuple[str, int, int], ...] = ()
    tables: tuple[TableDifference, ...] = ()


def differences(
    before: Preview, after: Preview, *, added: Collection[str], modified: Collection[str]
) -> PreviewDifferences:
    """What changed, as far as both previews tell.

    Args:
        added: Paths of new files: only these are compared with others. That a preview does not show a file says
            nothing, for it shows some of many.
        modified: Paths of files of other content, which are compared with what they were.
    """
    old, new = (_files_of(preview.suffixes) for preview in (before, after))
    counts = ((name, old.get(name, 0), new.get(name, 0)) for name in dict.fromkeys([*new, *old]))
    return PreviewDifferences(
        files=(before.files, after.files),
        bytes=(before.bytes, after.bytes),
        suffixes=tuple(count for count in counts if count[1] != count[2]),
        tables=tuple(_tables(before, after, added, modified)),
    )


def _tables(
    before: Preview, after: Preview, added: Collection[str], modified: Collection[str]
) -> Iterator[TableDifference]:
    earlier = {one.path: one for one in before.previews if one.table is not None}
    for one in after.previews:
        if one.table is None:
            continue
        other = _alike(one, earlier) if one.path in added else earlier.get(one.path) if one.path in modified else None
        if other is None or other.table is None:
            continue
        found = _compared(other, one, other.table, one.table)
        if not found.nothing:
            yield found


def _alike(one: FilePreview, earlier: dict[str, FilePreview]) -> FilePreview | None:
    """The earlier table of the same columns that stands nearest before a new file by its name: yesterday's."""
    names = _names(one.table)
    fitting = sorted(path for path, other in earlier.items() if _names(other.table) == names)
    return earlier[max((path for path in fitting if path < one.path), default=fitting[0])] if fitting else None


def _names(table: Table | None) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns) if table is not None else ()


def _compared(before: FilePreview, after: FilePreview, old: Table, new: Table) -> TableDifference:
    olds, news = ({column.name: column for column in table.columns} for table in (old, new))
    both = [name for name in news if name in olds and name != ROW_NAMES]
    said = [told for name in both for told in _column(olds[name], news[name])]
    return TableDifference(
        path=after.path,
        before=before.path,
        rows=(old.rows, new.rows),
        columns_added=tuple(name for name in news if name not in olds and len(olds) == old.width),
        columns_removed=tuple(name for name in olds if name not in news and len(news) == new.width),
        said=tuple(text for _, text in sorted(said, key=lambda pair: -pair[0])),
    )


def _column(old: Column, new: Column) -> Iterator[tuple[float, str]]:
    """Sentences about a column, each with how much it matters."""
    name = plain(new.name, 60)
    if ColumnType.EMPTY in (old.type, new.type) and old.type is not new.type:
        yield 100.0, f"{name} is {'empty now' if new.type is ColumnType.EMPTY else 'no longer empty'}."
        return
    if old.type is not new.type and not {old.type, new.type} <= {ColumnType.CATEGORY, ColumnType.TEXT}:
        yield 50.0, f"{name} was {old.type.value}, and is {new.type.value} now."
    yield from _missing(name, old, new)
    classes = bool(old.top and new.top)  # few different numbers are compared one by one
    if old.type in _NUMBERS and new.type in _NUMBERS and not classes:
        yield from _mean(name, old, new)
    yield from _categories(name, old, new)
    if not old.odd and new.odd:
        yield 20.0, f"{name} has {new.odd:,} values that are no {new.type.value}, such as {plain(new.odd_value, 30)!r}."


def _missing(name: str, old: Column, new: Column) -> Iterator[tuple[float, str]]:
    parts = [column.missing / max(1, column.missing + column.count) for column in (old, new)]
    if abs(parts[1] - parts[0]) >= _SHARE:
        told = [share(column.missing, column.missing + column.count) for column in (old, new)]
        yield 10 * abs(parts[1] - parts[0]), f"Missing in {name}: {told[0]} → {told[1]}."


def _mean(name: str, old: Column, new: Column) -> Iterator[tuple[float, str]]:
    if old.mean is None or new.mean is None or old.mean == new.mean:
        return
    spread = old.std or new.std or abs(old.mean) or 1.0
    shift = (new.mean - old.mean) / spread
    if abs(shift) >= _SHIFT:
        means = f"{number(old.mean)} → {number(new.mean)}"
        yield abs(shift), f"The mean of {name} moved: {means} ({shift:+.2g} standard deviations)."


def _categories(name: str, old: Column, new: Column) -> Iterator[tuple[float, str]]:
    if not _complete(old) or not new.top:
        return
    before, after = dict(old.top), dict(new.top)
    appeared = [value for value in after if value not in before]
    if appeared:
        yield 30.0, f"New in {name}: {_listed(appeared)}."
    gone = [value for value in before if value not in after] if _complete(new) else []
    if gone:
        yield 15.0, f"No longer in {name}: {_listed(gone)}."
    for value in before.keys() & after.keys() if len(before) <= 20 else ():
        parts = before[value] / max(1, old.count), after[value] / max(1, new.count)
        if abs(parts[1] - parts[0]) >= 2 * _SHARE:
            told = f"{share(before[value], old.count)} → {share(after[value], new.count)}"
            yield 5 * abs(parts[1] - parts[0]), f"{name} = {plain(value, 30)}: {told}."


def _complete(column: Column) -> bool:
    """Whether all its values are known."""
    return bool(column.top) and column.distinct == len(column.top)


def _listed(values: list[str]) -> str:
    shown = ", ".join(plain(value, 30) for value in values[:_NAMED])
    return f"{shown} and {len(values) - _NAMED:,} more" if len(values) > _NAMED else shown


def _files_of(suffixes: tuple[Suffix, ...]) -> dict[str, int]:
    return {one.suffix: one.files for one in suffixes}
