"""The learning curves of a study, as their reports come in, and what its stopping rules are shown of them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator

from meristem.stopping.curve import Curve
from meristem.stopping.peers import Grouping, Peers
from meristem.stopping.reported import finite_or_worst
from meristem.stopping.standings import Line, Standings

_MOST_GROUPINGS = 4  # a rule that hands over a new function each time costs time, not memory


class Curves:
    """The curves of all of a study's trials; grows only."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._built: dict[int, Curve] = {}
        self._all = Standings()
        self._groupings: dict[Grouping, dict[Hashable, Standings]] = {}

    def start(self, trial: int, *, bracket: int = 0) -> None:
        """A trial (again) runs; what an earlier attempt of it reported is forgotten."""
        self._built.pop(trial, None)
        before = self._lines.get(trial)
        if before is not None:
            for standings in self._standings_of(before):
                standings.silent.discard(trial)
                if before.steps:
                    standings.take(before)
        self._lines[trial] = Line(trial, bracket)

    def report(self, trial: int, step: float, loss: float) -> None:
        """Adds one measurement of the objective, as a loss. Without a finite step it is left out."""
        if not math.isfinite(step):
            return
        self._built.pop(trial, None)
        line, loss = self._line(trial), finite_or_worst(loss)
        if not line.steps:
            line.set(step, loss)
            for standings in self._standings_of(line):
                standings.silent.discard(trial)
                standings.put(line)
        elif step > line.steps[-1] and not line.ended:
            line.set(step, loss)
            for standings in self._standings_of(line):
                standings.grow(line)
        else:
            self._change(line, step, loss)

    def end(self, trial: int) -> None:
        """The trial has ended, in whatever way."""
        self._built.pop(trial, None)
        line = self._line(trial)
        if line.ended:
            return
        line.ended = True
        for standings in self._standings_of(line):
            if line.steps:
                standings.end(line)
            else:
                standings.silent.add(trial)

    def curve(self, trial: int) -> Curve:
        """The curve of `trial`, empty where nothing is known of it."""
        if trial not in self._built:
            line = self._lines.get(trial) or Line(trial)
            self._built[trial] = Curve.of(line.reports, trial=trial, running=not line.ended, bracket=line.bracket)
        return self._built[trial]

    def others(self, trial: int) -> Peers:
        """All curves but that of `trial`, by number; those without a report are left out."""
        return _Others(self, self._all, trial)

    def alike(self, group: Hashable, by: Grouping) -> Standings:
        """The standings of the trials of one group."""
        groups = self._groupings.pop(by, None)
        if groups is None:
            groups = {}
            for line in self._all.lines.values():
                groups.setdefault(by(line.trial, line.bracket), Standings()).put(line)
            for number in self._all.silent:
                groups.setdefault(by(number, self._lines[number].bracket), Standings()).silent.add(number)
        self._groupings[by] = groups
        while len(self._groupings) > _MOST_GROUPINGS:
            del self._groupings[next(iter(self._groupings))]
        return groups.get(group) or Standings()

    @property
    def any_reported(self) -> bool:
        return bool(self._all.lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Curve]:
        return (self.curve(number) for number in sorted(self._lines))

    def _line(self, trial: int) -> Line:
        if trial not in self._lines:
            self._lines[trial] = Line(trial)
        return self._lines[trial]

    def _change(self, line: Line, step: float, loss: float) -> None:
        """A report that does not come after all others: what is known of the line no longer holds."""
        if line.told(step, loss):
            return
        standings = list(self._standings_of(line))
        for one in standings:
            one.take(line)
        line.set(step, loss)
        for one in standings:
            one.put(line, loose=not line.ended)

    def _standings_of(self, line: Line) -> Iterator[Standings]:
        yield self._all
        for by, groups in self._groupings.items():
            yield groups.setdefault(by(line.trial, line.bracket), Standings())


class _Others(Peers):
    """All curves of a study, or of a group of its trials, but one."""

    def __init__(self, curves: Curves, standings: Standings, own: int, *, grouped: bool = False) -> None:
        super().__init__(())
        self._study, self._standings, self._own, self._grouped = curves, standings, own, grouped
        self._shown: tuple[Curve, ...] | None = None

    @property
    def silent(self) -> tuple[Curve, ...]:
        return tuple(self._study.curve(number) for number in sorted(self._standings.silent - {self._own}))

    def place(self, step: float, loss: float) -> tuple[int, int]:
        return self._standings.place(step, loss, self._own)

    def any_lower_until(self, step: float, loss: float) -> bool:
        return self._standings.any_lower_until(step, loss, self._own)

    def any_lower_by(self, step: float, loss: float) -> bool:
        return self._standings.any_lower_by(step, loss, self._own)

    def alike(self, curve: Curve, by: Grouping) -> Peers:
        if self._grouped:
            return super().alike(curve, by)
        return _Others(self._study, self._study.alike(by(curve.trial, curve.bracket), by), self._own, grouped=True)

    def _all(self) -> tuple[Curve, ...]:
        if self._shown is None:
            numbers = sorted(number for number in self._standings.lines if number != self._own)
            self._shown = tuple(map(self._study.curve, numbers))
        return self._shown

    def __len__(self) -> int:
        return len(self._standings.lines) - (self._own in self._standings.lines)
