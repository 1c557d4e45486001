"""What a column holds, found block by block: its type, statistics, histogram or most frequent values.

Cells are text, as CSV gives them; readers of typed data turn theirs into text or call `column_of_numbers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from meristem.datasets.previews.preview import Column, ColumnType, Histogram
from meristem.datasets.previews.wording import cut, moment

Numbers: TypeAlias = NDArray[np.float64]

MISSING = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "-nan", "null", "NULL", "Null", "None", "none",
                     "#N/A", "<NA>", "NaT"})  # fmt: skip
MOST_DISTINCT = 1_000
BINS = 20
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BOOLS = (frozenset({"true", "false"}), frozenset({"yes", "no"}), frozenset({"t", "f"}), frozenset({"y", "n"}))
_SAMPLE = 64  # values by which a column's kind is guessed
_LIKELY = 0.8  # share of them that must be of a kind
_ODD = 0.1  # share of values that may be of another kind
_MANY_ODD = 1_000
_FEW = 20  # different values: a category, or a class in numbers
_SHOWN = 10
_LONG_TEXT = 64  # mean length above which text is no category
_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_DIGITS = 10  # of statistics: sums differ in their last digits between processors


class Gathering:
    """A column while its cells come in."""

    __slots__ = (
        "_counts", "_decimal", "_floats", "_kind", "_lengths", "_odd", "_odd_value", "_whole",
        "count", "missing", "name",
    )  # fmt: skip

    def __init__(self, name: str, *, decimal: str = ".") -> None:
        self.name, self._decimal = name, decimal
        self.count = self.missing = 0
        self._counts: Counter[str] | None = Counter()
        self._kind: ColumnType | None = None  # FLOAT, DATETIME or TEXT once values were seen
        self._floats: list[Numbers] = []
        self._whole = True
        self._odd, self._odd_value = 0, ""
        self._lengths = (0, 0, 0, 0)  # shortest, longest, sum, of how many

    def add(self, cells: Sequence[str]) -> None:
        """The next cells."""
        given = cells if MISSING.isdisjoint(cells) else [cell for cell in cells if cell not in MISSING]
        self.missing += len(cells) - len(given)
        if not given:
            return
        self.count += len(given)
        if self._counts is not None:
            self._counts.update(given)
            self._counts = self._counts if len(self._counts) <= MOST_DISTINCT else None
        if self._kind is None:
            self._kind = guess([one.replace(",", ".") for one in given] if self._decimal == "," else given)
        if self._kind is not ColumnType.TEXT:
            self._add_values(given)
        else:
            sizes = list(map(len, given))
            low, high, total, known = self._lengths
            low = min(low, min(sizes)) if known else min(sizes)
            self._lengths = (low, max(high, max(sizes)), total + sum(sizes), known + len(sizes))

    def _add_values(self, given: Sequence[str]) -> None:
        one = _number if self._kind is ColumnType.FLOAT else _seconds
        if self._decimal == "," and one is _number:
            given = [cell.replace(",", ".") for cell in given]
        joined = "".join(given) if one is _number else ""
        try:
            floats = list(map(one if "_" in joined or one is _seconds else float, given))
        except (ValueError, OverflowError):
            fitting = [cell for cell in given if _is(one, cell)]
            self._odd += len(given) - len(fitting)
            self._odd_value = self._odd_value or cut(next(cell for cell in given if not _is(one, cell)), 40)
            given, floats = fitting, list(map(one, fitting))
            if self._odd > _MANY_ODD and self._odd > _ODD * self.count:
                self._kind, self._floats = ColumnType.TEXT, []  # asking each further value would cost much
                return
            joined = "".join(given)
        self._floats.append(np.array(floats, dtype=np.float64))
        if self._whole:
            self._whole = not any(mark in joined for mark in ".eEnN")

    def column(self, longest: int = 80) -> Column:
        """What came of it."""
        name = cut(self.name, longest)
        if not self.count:
            return Column(name=name, type=ColumnType.EMPTY, missing=self.missing, distinct=0)
        distinct = len(self._counts) if self._counts is not None else None
        known = {"name": name, "count": self.count, "missing": self.missing, "distinct": distinct}
        if self._kind is ColumnType.TEXT or self._odd > _ODD * self.count:
            return self._texts(known, longest)
        values = np.concatenate(self._floats)
        known |= {"odd": self._odd, "odd_value": self._odd_value}
        if self._kind is ColumnType.DATETIME:
            return _column_of_times(known, values)
        top = _top(self._counts, 24, _FEW) if distinct is not None and distinct <= _FEW else ()
        return column_of_numbers(values, whole=self._whole, known={**known, "top": top})

    def _texts(self, known: dict[str, Any], longest: int) -> Column:
        counts = self._counts
        if counts is not None:
            if frozenset(value.lower() for value in counts) in _with_parts(_BOOLS):
                return Column(type=ColumnType.BOOL, top=_top(counts, longest, _SHOWN), **known)
            mean = sum(len(value) * count for value, count in counts.items()) / self.count
            few = len(counts) <= max(_FEW, 0.05 * self.count) and len(counts) < max(self.count, 2)
            if few and mean <= _LONG_TEXT:
                return Column(type=ColumnType.CATEGORY, top=_top(counts, longest, _SHOWN), **known)
        low, high, total, of = self._lengths
        lengths: dict[str, Any] = {"low": low, "high": high, "mean": _short(total / of)} if of == self.count else {}
        repeated = counts is not None and counts.most_common(1)[0][1] > 1
        return Column(type=ColumnType.TEXT, top=_top(counts, longest, 5) if repeated else (), **lengths, **known)


def column_of_numbers(values: Numbers, *, whole: bool, known: dict[str, Any]) -> Column:
    """Statistics of numbers; infinite ones are counted and left out, NaN are missing.

    Args:
        values: Shape (n,).
        whole: They are whole numbers.
        known: Further fields of the column; `count` is of all values, infinite ones among them.
    """
    kind = ColumnType.INT if whole else ColumnType.FLOAT
    finite = values[np.isfinite(values)]
    known = {**known, "infinite": int(np.isinf(values).sum())}
    if not finite.size:
        return Column(type=kind, **known)
    with np.errstate(all="ignore"):  # sums of huge numbers may overflow: then they are not told
        quantiles = tuple(_short(value) for value in np.quantile(finite, QUANTILES))
        std = _short(finite.std(ddof=1)) if finite.size > 1 else None
        mean = _short(finite.mean())
    low, high = float(finite.min()), float(finite.max())
    return Column(
        type=kind,
        low=_short(low), high=_short(high), mean=mean, std=std,
        quantiles=tuple(value for value in quantiles if value is not None),
        histogram=histogram(finite, whole=whole),
        **known,
    )  # fmt: skip


def histogram(values: Numbers, *, whole: bool = False) -> Histogram | None:
    """At most 20 bins of equal width; those of whole numbers hold equally many of them.

    Args:
        values: Shape (n,), finite, n at least 1.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        return None
    bins = BINS
    if whole and high - low < 2**52:
        width = max(1.0, float(np.ceil((high - low + 1) / BINS)))
        bins = int(np.ceil((high - low + 1) / width))
        low, high = low - 0.5, low - 0.5 + bins * width
    if low == high:
        return Histogram(low=low, high=high, counts=(values.size,))
    try:
        counts, _ = np.histogram(values, bins=bins, range=(low, high))
    except ValueError:  # numbers so close that bins between them cannot be told apart
        return None
    return Histogram(low=low, high=high, counts=tuple(int(count) for count in counts))


def _column_of_times(known: dict[str, Any], values: Numbers) -> Column:
    low, high = (moment(round(float(value), 6)) for value in (values.min(), values.max()))
    return Column(type=ColumnType.DATETIME, low=low, high=high, histogram=histogram(values), **known)


def guess(values: Sequence[str]) -> ColumnType:
    """FLOAT, DATETIME or TEXT, by the first of some values that are not missing."""
    values = values[:_SAMPLE]
    for kind, one in ((ColumnType.FLOAT, _number), (ColumnType.DATETIME, _seconds)):
        if sum(_is(one, value) for value in values) >= _LIKELY * len(values):
            return kind
    return ColumnType.TEXT


def _is(one: Any, text: str) -> bool:
    try:
        one(text)
    except (ValueError, OverflowError):
        return False
    return True


def _number(text: str) -> float:
    if "_" in text:  # Python's, and nobody else's, way to write 1000
        raise ValueError
    return float(text)


def _seconds(text: str) -> float:
    """Since 1970; a time without a zone is taken as UTC."""
    if len(text) > 40:
        raise ValueError
    found = datetime.fromisoformat(text.replace("/", "-"))
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return (found - _EPOCH) / _SECOND


def _top(counts: Counter[str] | None, longest: int, most: int) -> tuple[tuple[str, int], ...]:
    ordered = sorted((counts or {}).items(), key=lambda item: (-item[1], item[0]))
    return tuple((cut(value, longest), count) for value, count in ordered[:most])


def _with_parts(pairs: Sequence[frozenset[str]]) -> set[frozenset[str]]:
    """The pairs; of "true" and "yes" also each alone: a column may hold only one of both."""
    return {*pairs, *(frozenset({word}) for pair in pairs[:1] for word in pair)}


def _short(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
