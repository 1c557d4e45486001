"""Which trials of a study are the best: one, or the non-dominated ones where there are several objectives."""

from __future__ import annotations

from collections.abc import Mapping

from meristem.objective import Goals
from meristem.statuses import TrialStatus
from meristem.store.rows import TrialRow
from meristem.store.store import Store

Losses = tuple[float, ...]
_PAGE = 200


def leaders_of(store: Store, study_id: int, goals: Goals) -> list[TrialRow]:
    """The best trial of a study, or the non-dominated ones, as they stand in the store; empty where none completed."""
    found = Leaders(goals)
    first_is_best = goals.single and not any(limit.relative for limit in goals.constraints)
    page, offset = (1 if first_is_best and not goals.constraints else _PAGE), 0
    while rows := store.trials.best(study_id, limit=page, offset=offset):
        for row in rows:
            found.take(row)
        if first_is_best and found.rows:
            break
        offset += len(rows)
    return found.rows


class Leaders:
    """The best completed trials that keep all limits, found as trials end.

    Attributes:
        since: Trials ended since the leaders changed.
        baseline: Metrics of the marked trial, to which limits may be relative.
    """

    def __init__(self, goals: Goals) -> None:
        self._goals = goals
        self._front: list[tuple[Losses, TrialRow]] = []
        self._relative = any(limit.relative for limit in goals.constraints)
        self._completed: list[TrialRow] = []  # kept where limits are relative: the baseline may come last
        self._marked = 2**62  # the number of the marked trial
        self.since = 0
        self.baseline: Mapping[str, float] | None = None

    @property
    def rows(self) -> list[TrialRow]:
        """The best trial, or the non-dominated ones, in order of the first objective."""
        return [row for _losses, row in sorted(self._front, key=lambda pair: (pair[0], pair[1].number))]

    @property
    def best(self) -> TrialRow | None:
        """The best trial of a single objective; among equals the earlier one."""
        return self._front[0][1] if self._front and self._goals.single else None

    def take(self, row: TrialRow) -> None:
        """Takes in a trial that has ended."""
        self.since += 1
        if row.status != TrialStatus.COMPLETED:
            return
        if self._relative:
            self._completed.append(row)
            if self._is_baseline(row):
                self.baseline = row.metrics
                self._front = []
                for earlier in self._completed:
                    self._consider(earlier)
                return
        self._consider(row)

    def _is_baseline(self, row: TrialRow) -> bool:
        """Of several that are marked the first counts, in whatever order they end."""
        if row.origin.get("baseline") is not True or row.number > self._marked:
            return False
        self._marked = row.number
        return True

    def _consider(self, row: TrialRow) -> None:
        losses = self._goals.losses(row.metrics)
        if losses is None or not self._goals.keeps_limits(row.metrics, self.baseline):
            return
        key = (losses, row.number)
        if any(_as_good(other, kept.number, *key) for other, kept in self._front):
            return
        self._front = [pair for pair in self._front if not _as_good(*key, pair[0], pair[1].number)]
        self._front.append((losses, row))
        self.since = 0


def _as_good(one: Losses, number: int, other: Losses, other_number: int) -> bool:
    """Whether `one` is at least as good in everything; equal ones are told apart by their numbers."""
    if one == other:
        return number < other_number
    return all(a <= b for a, b in zip(one, other, strict=True))
