"""Which trials of a study are the best: one, or the non-dominated ones where there are several objectives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from meristem.objective import Goals
from meristem.statuses import TrialStatus
from meristem.store.rows import TrialRow
from meristem.store.store import Store

Losses = tuple[float, ...]


class Candidate(Protocol):
    """A trial that may be the baseline: as a row, or as users see it."""

    @property
    def number(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def origin(self) -> Mapping[str, Any]: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...


T = TypeVar("T", bound=Candidate)
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


def baseline_of(trials: Iterable[T], goals: Goals) -> T | None:
    """The trial to which limits are relative: of those marked that can be it, the first by number."""
    return min(
        (t for t in trials if _is_marked(t) and _can_be_baseline(t, goals)), key=lambda t: t.number, default=None
    )


class Leaders:
    """The best completed trials that keep all limits, found as trials end.

    Attributes:
        since: Trials ended since the leaders changed.
        lost: The last trial that was marked but cannot be the baseline, though a limit needs one.
    """

    def __init__(self, goals: Goals) -> None:
        self._goals = goals
        self._front: list[tuple[Losses, TrialRow]] = []
        self._relative = any(limit.relative for limit in goals.constraints)
        self._completed: list[TrialRow] = []  # kept where limits are relative: the baseline may come last
        self._baseline: TrialRow | None = None
        self.lost: TrialRow | None = None
        self.since = 0

    @property
    def baseline(self) -> Mapping[str, float] | None:
        """The metrics to which limits are relative."""
        return None if self._baseline is None else self._baseline.metrics

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
        if self._relative and _is_marked(row) and not _can_be_baseline(row, self._goals):
            self.lost = row
        if row.status != TrialStatus.COMPLETED:
            return
        if self._relative:
            self._completed.append(row)
            known = [row] if self._baseline is None else [row, self._baseline]
            if (
                found := baseline_of(known, self._goals)
            ) is not self._baseline:  # the first, in whatever order they end
                self._baseline, self._front = found, []
                for earlier in self._completed:
                    self._consider(earlier)
                return
        self._consider(row)

    def why_no_baseline(self, still_open: Iterable[TrialRow]) -> str | None:
        """Why no trial can keep the limits, in words; None where there is a baseline, or may yet be.

        Args:
            still_open: The trials that have not ended.
        """
        lost = self.lost
        if lost is None or self.baseline is not None or any(map(_is_marked, still_open)):
            return None
        relative = [limit for limit in self._goals.constraints if limit.relative]
        if lost.status == TrialStatus.COMPLETED:
            names = {name: None for limit in relative for name in limit.terms}
            bad = [name for name in names if not math.isfinite(lost.metrics.get(name, math.nan))]
            what = f"gave no finite {', '.join(map(repr, bad))}"
        else:
            what = f"{'was ' if lost.status != TrialStatus.FAILED else ''}{lost.status}"
            what += f" ({lost.error})" if lost.error else ""
        return (
            f"the baseline, trial {lost.number}, {what}, so that no trial can keep {str(relative[0])!r}; "
            "mark another one by study.enqueue({…}, baseline=True), or run the study again to try it once more"
        )

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


def _is_marked(trial: Candidate) -> bool:
    return trial.origin.get("baseline") is True


def _can_be_baseline(trial: Candidate, goals: Goals) -> bool:
    """Whether it has completed, with all that relative limits are about."""
    limits = [limit for limit in goals.constraints if limit.relative]
    known = all(limit.excess(trial.metrics, trial.metrics) is not None for limit in limits)
    return trial.status == TrialStatus.COMPLETED and known


def _as_good(one: Losses, number: int, other: Losses, other_number: int) -> bool:
    """Whether `one` is at least as good in everything; equal ones are told apart by their numbers."""
    if one == other:
        return number < other_number
    return all(a <= b for a, b in zip(one, other, strict=True))
