"""The labelling of five days, one after another: each gets labels, some of them wrong, and older ones are mended.

What the labels should be is known (column Occupancy of the rows), so that the mistakes are made up; the same seed gives
the same ones.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from generator import COLUMNS, generate

Rows = list[list[str]]
DAYS = 5
_SEED = 7
_WRONG = 0.04  # of a day's labels, in runs: people label stretches of time, not minutes
_MENDED = 0.6  # of the mistakes of a day that is looked at again
_LOOKED_AT = 2  # so many days are looked at again, each day


def read_days(folder: Path | None) -> tuple[dict[str, Rows], Rows]:
    """Rows of five whole days by date, and rows to test on.

    Args:
        folder: With datatraining.txt and datatest.txt; None: rows are generated.
    """
    if folder is None:
        first = date(2015, 2, 5)
        training, test = generate(first, DAYS, _SEED), generate(first - timedelta(days=3), 2, _SEED + 1)
    else:
        training, test = (read_rows(folder / f"{name}.txt") for name in ("datatraining", "datatest"))
    days: dict[str, Rows] = defaultdict(list)
    for row in training:
        days[row[0][:10]].append(row)
    whole = sorted(day for day, rows in days.items() if len(rows) == 24 * 60)
    return {day: days[day] for day in whole[:DAYS]}, test


def read_rows(path: Path) -> Rows:
    """Rows of a CSV file in the order of COLUMNS. The published files have a number before them that has no title."""
    with path.open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return [row[-len(COLUMNS) :] for row in rows]


def write_rows(path: Path, rows: Rows) -> None:
    """Writes rows as CSV with their columns' names."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


class Labelling:
    """A folder with one CSV file for each day that was labelled.

    Args:
        folder: Which is there, and empty.
        days: Rows by date, with the labels as they should be.
    """

    def __init__(self, folder: Path, days: dict[str, Rows]) -> None:
        self.folder, self._days = folder, days
        self._pick = np.random.default_rng(_SEED)
        self._wrong: dict[str, set[int]] = {}  # rows with a wrong label, of each day labelled so far

    def label(self, day: str) -> None:
        """Labels `day`, and mends labels of the two days before."""
        for earlier in list(self._wrong)[-_LOOKED_AT:]:
            wrong = self._wrong[earlier]
            mended = self._pick.permutation(sorted(wrong))[: round(_MENDED * len(wrong))]
            wrong.difference_update(mended.tolist())
            if mended.size:
                self._write(earlier)
        self._wrong[day] = self._mistakes(len(self._days[day]))
        self._write(day)

    def rows(self) -> int:
        """How many rows are labelled."""
        return sum(len(self._days[day]) for day in self._wrong)

    def _mistakes(self, count: int) -> set[int]:
        wrong: set[int] = set()
        while len(wrong) < _WRONG * count:
            start = int(self._pick.integers(count))
            wrong.update(range(start, min(count, start + int(self._pick.integers(3, 15)))))
        return wrong

    def _write(self, day: str) -> None:
        wrong = self._wrong[day]
        rows = [[*row[:-1], str(1 - int(row[-1]))] if at in wrong else row for at, row in enumerate(self._days[day])]
        write_rows(self.folder / f"{day}.csv", rows)
