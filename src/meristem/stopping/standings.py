"""Where a loss stands among many learning curves, kept up to date report by report.

Of each step that rules ask about, the losses of all curves there are kept in order, so that an answer takes no
going through curves. Nothing here changes an answer: what is kept could be forgotten at any time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

from meristem.stopping.ranking import LowestUntil, Ranking
from meristem.stopping.reported import Reported

_ROOM = 4  # losses kept in order for each report: as many as reports where all trials report at the same steps


class Line:
    """The reports of one trial, as `Curve` describes them, while they come in.

    Attributes:
        ended: Whether the trial has ended.
        reports: They grow; where one comes in between, or is replaced, they are others.
    """

    __slots__ = ("bracket", "ended", "reports", "trial")

    def __init__(self, trial: int, bracket: int = 0) -> None:
        self.trial, self.bracket, self.ended = trial, bracket, False
        self.reports = Reported()

    @property
    def steps(self) -> list[float]:
        return self.reports.steps

    @property
    def losses(self) -> list[float]:
        return self.reports.losses

    def at(self, step: float) -> float | None:
        return self.reports.at(step)

    def lowest(self, step: float) -> float | None:
        return self.reports.lowest(step)

    def told(self, step: float, loss: float) -> bool:
        """Whether just that was reported."""
        place = bisect_left(self.steps, step)
        return place < len(self.steps) and self.steps[place] == step and self.losses[place] == loss

    def set(self, step: float, loss: float) -> None:
        """Adds a report wherever its step belongs; one of the same step is replaced."""
        if not self.steps or step > self.steps[-1]:
            self.reports.add(step, loss)
        else:
            self.reports = self.reports.changed(step, loss)


class Standings:
    """The lines of a group of trials that have reports.

    Attributes:
        lines: By the trials' numbers.
        silent: Numbers of the trials that ended without a report.
    """

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self.silent: set[int] = set()
        self._loose: dict[int, Line] = {}  # lines whose reports change: not in `_until`, which takes nothing back
        self._until = LowestUntil()
        self._at_end = LowestUntil()  # the last reports of trials that have ended
        self._rankings: dict[float, Ranking] = {}  # the step that was asked about last comes last
        self._ranked: list[float] = []  # their steps, in order
        self._asked: dict[float, tuple[int, int]] = {}  # steps without a ranking: at which report one was asked for
        self._reports = self._kept = 0

    # What happens to lines

    def put(self, line: Line, *, loose: bool = False) -> None:
        """Takes in a line that has reports.

        Args:
            loose: Whether they may change again.
        """
        self.lines[line.trial] = line
        self._reports += len(line.steps)
        for ranking, loss in self._places(line, line.steps[0]):
            ranking.add(loss)
            self._kept += 1
        if loose:
            self._loose[line.trial] = line
        else:
            self._settle(line)
        if line.ended:
            self._at_end.add(line.steps[-1], line.losses[-1])
        self._make_room()

    def take(self, line: Line) -> None:
        """Lets go of a line that was put in; call it before the line changes."""
        del self.lines[line.trial]
        self._reports -= len(line.steps)
        for ranking, loss in self._places(line, line.steps[0]):
            ranking.discard(loss)
            self._kept -= 1
        if self._loose.pop(line.trial, None) is None:
            for step, loss in zip(line.steps, line.losses, strict=True):
                self._until.discard(step, loss)
        if line.ended:
            self._at_end.discard(line.steps[-1], line.losses[-1])

    def grow(self, line: Line) -> None:
        """The line of a running trial that was put in has one more report, after all others."""
        self._reports += 1
        for ranking, loss in self._places(line, line.steps[-2], beyond=True):
            ranking.add(loss)
            self._kept += 1
        if line.trial not in self._loose:
            self._until.add(line.steps[-1], line.losses[-1])
        self._make_room()

    def end(self, line: Line) -> None:
        """The trial of a line that was put in has just ended."""
        if self._loose.pop(line.trial, None) is not None:
            self._settle(line)
        self._at_end.add(line.steps[-1], line.losses[-1])

    # What is asked

    def place(self, step: float, loss: float, own: int) -> tuple[int, int]:
        """As `Peers.place`, of all but the trial `own`."""
        ranking = self._ranking(step, own)
        if ranking is None:
            found = [at for line in self._others(own) if (at := line.at(step)) is not None]
            return sum(at < loss for at in found), len(found)
        mine = self.lines[own].at(step) if own in self.lines else None
        if mine is None:
            return ranking.below(loss), len(ranking)
        return ranking.below(loss) - (mine < loss), len(ranking) - 1

    def any_lower_until(self, step: float, loss: float, own: int) -> bool:
        """As `Peers.any_lower_until`, of all but the trial `own`."""
        if self._is_lower(self.lines[own].lowest(step) if own in self.lines else None, loss):
            return any(self._is_lower(line.lowest(step), loss) for line in self._others(own))
        if self._until.stale:
            self._until = LowestUntil(_reports(line for n, line in self.lines.items() if n not in self._loose))
        return (
            self._until.lowest(step) < loss
            or any(self._is_lower(line.lowest(step), loss) for line in self._loose.values())
            or self._any_lower_at(step, loss, own)
        )

    def any_lower_by(self, step: float, loss: float, own: int) -> bool:
        """As `Peers.any_lower_by`, of all but the trial `own`."""
        mine = self.lines.get(own)
        if mine is not None and self._is_lower(_loss_by(mine, step), loss):
            return any(self._is_lower(_loss_by(line, step), loss) for line in self._others(own))
        if self._at_end.stale:
            ended = (line for line in self.lines.values() if line.ended)
            self._at_end = LowestUntil((line.steps[-1], line.losses[-1]) for line in ended)
        return self._at_end.lowest(step) < loss or self._any_lower_at(step, loss, own)

    def _any_lower_at(self, step: float, loss: float, own: int) -> bool:
        """Whether a line is below `loss` at `step`; that of `own` must not be."""
        ranking = self._ranking(step, own)
        if ranking is not None:
            return ranking.lowest < loss
        return any(self._is_lower(line.at(step), loss) for line in self._others(own))

    @staticmethod
    def _is_lower(found: float | None, loss: float) -> bool:
        return found is not None and found < loss

    def _others(self, own: int) -> Iterable[Line]:
        return (line for number, line in self.lines.items() if number != own)

    # What is kept

    def _settle(self, line: Line) -> None:
        for step, loss in zip(line.steps, line.losses, strict=True):
            self._until.add(step, loss)

    def _places(self, line: Line, first: float, *, beyond: bool = False) -> Iterable[tuple[Ranking, float]]:
        """The rankings of steps from `first` (or just beyond) to the line's last, each with its loss there."""
        start = (bisect_right if beyond else bisect_left)(self._ranked, first)
        for step in self._ranked[start : bisect_right(self._ranked, line.steps[-1])]:
            loss = line.at(step)
            assert loss is not None  # within its reports
            yield self._rankings[step], loss

    def _ranking(self, step: float, own: int) -> Ranking | None:
        """The losses of all lines at `step`; None where it is asked about for the first time.

        Where each trial reports at steps of its own, rankings would be made and never asked again.
        """
        ranking = self._rankings.pop(step, None)
        if ranking is None:
            report = own, len(self.lines[own].steps) if own in self.lines else 0
            if self._asked.setdefault(step, report) == report:  # several questions at one report count once
                return None
            del self._asked[step]
            ranking = Ranking(loss for line in self.lines.values() if (loss := line.at(step)) is not None)
            insort(self._ranked, step)
            self._kept += len(ranking)
        self._rankings[step] = ranking
        self._make_room()
        return ranking

    def _make_room(self) -> None:
        """Forgets the rankings that were not asked for longest, where they have grown out of proportion."""
        while self._kept > _ROOM * self._reports and len(self._rankings) > 1:
            step = next(iter(self._rankings))
            self._kept -= len(self._rankings.pop(step))
            del self._ranked[bisect_left(self._ranked, step)]


def _loss_by(line: Line, step: float) -> float | None:
    return line.losses[-1] if line.ended and line.steps[-1] < step else line.at(step)


def _reports(lines: Iterable[Line]) -> Iterable[tuple[float, float]]:
    return ((step, loss) for line in lines for step, loss in zip(line.steps, line.losses, strict=True))
