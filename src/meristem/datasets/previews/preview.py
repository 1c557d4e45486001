"""Preview: what is kept of a version's looks, as values; JSON of a bounded size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from meristem.datasets.previews.plain_data import from_plain, to_plain
from meristem.errors import InputError

FORMAT = 1


class ColumnType(StrEnum):
    """What a column holds."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATETIME = "datetime"
    CATEGORY = "category"
    TEXT = "text"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of values in equal bins from `low` to `high`; of datetimes in seconds since 1970 (UTC)."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        count: Of values that are there.
        distinct: Of different values; None where there are more than 1,000.
        low, high: Of numbers; of datetimes as ISO 8601; of text the shortest and longest length in characters.
        mean, std: Of numbers (std of the sample); of text the mean length.
        quantiles: Of numbers at 5, 25, 50, 75 and 95 %.
        top: The most frequent values with their counts, where few repeat.
        odd: Values in a column of numbers or datetimes that are none; `odd_value` is one.
        infinite: Of numbers; they count nowhere else.
    """

    name: str
    type: ColumnType
    count: int = 0
    missing: int = 0
    distinct: int | None = None
    low: float | str | None = None
    high: float | str | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: tuple[float, ...] = ()
    histogram: Histogram | None = None
    top: tuple[tuple[str, int], ...] = ()
    odd: int = 0
    odd_value: str = ""
    infinite: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table's columns and first rows.

    Attributes:
        rows: How many there are; None where only the head was read.
        seen: Over how many the statistics are.
        about: Where `rows` is None: an estimate by the file's size.
        width: How many columns there are; `columns` may hold fewer.
        head: The first rows, cut at `columns`; None is a missing value.
    """

    rows: int | None
    seen: int
    about: int | None = None
    width: int
    columns: tuple[Column, ...]
    head: tuple[tuple[str | None, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """One numpy array; `values` are statistics over its numbers, `step` 3 says over each third of them."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    values: Column | None = None
    step: int = 1
    note: str = ""


class FileKind(StrEnum):
    """How a file is shown."""

    TABLE = "table"
    JSON = "json"
    TEXT = "text"
    IMAGE = "image"
    ARRAYS = "arrays"
    BINARY = "binary"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePreview:
    """What one file looks like.

    Attributes:
        format: Such as "CSV".
        facts: Such as ("delimiter", ";"), in the order in which they are shown.
        notes: What was wrong, and what was left out.
        thumbnail: PNG in base64.
    """

    path: str
    size: int
    kind: FileKind
    format: str = ""
    facts: tuple[tuple[str, str | int | float], ...] = ()
    notes: tuple[str, ...] = ()
    table: Table | None = None
    lines: tuple[str, ...] = ()
    arrays: tuple[Array, ...] = ()
    thumbnail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffix:
    """Files of one suffix; "" are those that have none."""

    suffix: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a version looks like.

    Attributes:
        suffixes: Most bytes first.
        other_suffixes: How many more there are.
        largest: Files and their sizes.
        sizes: Numbers of files that are empty, up to 1 KB, 10 KB, … (`survey.SIZE_BOUNDS`).
    """

    files: int
    bytes: int
    suffixes: tuple[Suffix, ...] = ()
    other_suffixes: int = 0
    largest: tuple[tuple[str, int], ...] = ()
    sizes: tuple[int, ...] = ()
    previews: tuple[FilePreview, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """How many of its files are shown; "" where all are."""
        shown = len(self.previews)
        return f"{shown:,} of {self.files:,} files {'is' if shown == 1 else 'are'} shown" if shown < self.files else ""

    def to_json(self) -> str:
        """ASCII; equal previews give equal bytes."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Preview:
        """What `to_json` wrote.

        Raises:
            InputError: It is no preview, or one of a later format.
        """
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ValueError("its format is not known here")
            return from_plain(cls, data)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(f"This is no preview that can be read: {str(error)[:200]}.") from error
