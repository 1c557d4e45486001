"""Rounds: contestants take turns at each step, each with its own copy of the data, and the floors between them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.datasets.aside import TRASH, delete, set_aside
from benchmarks.datasets.floors import TITLES as FLOOR_TITLES
from benchmarks.datasets.generating import CHANGES, KINDS, generate
from benchmarks.datasets.plan import Step
from benchmarks.datasets.spending import Spent, StepFailed, differing, run, run_inner
from benchmarks.queue.measure import settle_disk

Runs = dict[str, dict[str, dict[str, list[float]]]]  # step, who, figure: one value a round


class Contestant(Protocol):
    """One that is measured; its data lie in the folder `data`, all that it keeps beside it."""

    name: str
    data: Path

    def begin(self) -> None: ...
    def measure(self, step: str) -> Spent | None: ...
    def stored(self) -> int: ...
    def out(self, step: str) -> Path | None: ...


class Contest:
    """All rounds of one kind of data, in the folder `home`.

    Args:
        makers: From a folder to a contestant.
        say: Told what goes on, a line each.
    """

    def __init__(
        self, kind: str, home: Path, makers: Sequence[Callable[[Path], Contestant]], say: Callable[[str], None]
    ) -> None:
        self._kind, self._home, self._makers, self._say = kind, home, makers, say
        self._origin = home / "origin"
        self.runs: Runs = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        self.failures: list[str] = []

    def run(self, steps: Sequence[Step], rounds: int) -> Mapping[str, Mapping[str, Mapping[str, list[float]]]]:
        """Runs all rounds; what fails is kept in `failures`, and its contestant is out of that round."""
        if not self._origin.exists():
            self._say(f"{self._kind}: writing {KINDS[self._kind].files:,} files …")
            generate(self._origin, KINDS[self._kind])
        for number in range(rounds):
            contestants = self._set_up(number)
            for step in steps:
                self._say(f"{self._kind}, round {number + 1} of {rounds}: {step.what} …")
                self._take_turns(step, contestants, number)
            for contestant in contestants:
                if self._alone:
                    contestant.data.rename(self._origin)
                self._clear(contestant.data.parent)
        return self.runs

    def _set_up(self, number: int) -> list[Contestant]:
        contestants = []
        for place, make in enumerate(self._makers):
            home = self._home / f"{number}-{place}"
            self._clear(home)
            contestant = make(home)
            home.mkdir(parents=True)
            if self._alone:
                self._origin.rename(contestant.data)
            else:
                run(["cp", "-r", os.fspath(self._origin), os.fspath(contestant.data)], cwd=home, env=os.environ)
            try:
                contestant.begin()
            except StepFailed as failure:
                self._fail(contestant, failure)
            else:
                contestants.append(contestant)
        return contestants

    @property
    def _alone(self) -> bool:
        """Whether the contestant takes the data themselves: a million files are not copied for one alone."""
        return len(self._makers) == 1 and KINDS[self._kind].files > 100_000

    def _take_turns(self, step: Step, contestants: list[Contestant], number: int) -> None:
        if step.change:
            for contestant in contestants:
                CHANGES[step.change](contestant.data, KINDS[self._kind])
        for floor in step.floors:
            source = contestants[0].data if self._alone and contestants else self._origin
            scratch = self._home / "floor"
            words = [floor, os.fspath(source), os.fspath(scratch)]
            settle_disk()
            spent = run_inner("benchmarks.datasets.floors", words, cwd=_REPOSITORY, env=os.environ)
            self._clear(scratch)
            self._keep(step, FLOOR_TITLES[floor], spent, None)
        turn = number % max(1, len(contestants))
        for contestant in contestants[turn:] + contestants[:turn]:  # nobody is always first after a change
            before = contestant.stored()
            settle_disk()
            try:
                spent = contestant.measure(step.key)
            except StepFailed as failure:
                self._fail(contestant, failure)
                contestants.remove(contestant)
                continue
            if spent is not None:
                self._keep(step, contestant.name, spent, contestant.stored() - before)
                self._check(step, contestant)

    def _keep(self, step: Step, who: str, spent: Spent, stored: int | None) -> None:
        figures = self.runs[step.key][who]
        for name, value in (("wall", spent.wall), ("cpu", spent.cpu), ("memory", spent.memory), ("stored", stored)):
            if value is not None:
                figures[name].append(value)

    def _check(self, step: Step, contestant: Contestant) -> None:
        """A copy that is not what it should be counts for nothing."""
        out = contestant.out(step.key)
        if out is None:
            return
        # DVC's is the data themselves: they are compared with another's, which went through the same changes.
        expected = contestant.data if out != contestant.data else self._reference(contestant)
        wrong = differing(expected, out) if expected else []
        if wrong:
            self.failures.append(f"{contestant.name}: {step.what}: {len(wrong)} files differ, {wrong[0]} first")
        if out != contestant.data:
            self._clear(out)

    def _reference(self, contestant: Contestant) -> Path | None:
        others = (home / "data" for home in contestant.data.parents[1].iterdir() if home != contestant.data.parent)
        return next((data for data in others if data.exists()), None)

    def _clear(self, folder: Path) -> None:
        """Moves a folder out of the way; where files are few and large they are deleted."""
        set_aside(folder, self._home / TRASH)
        if KINDS[self._kind].files < 1000:
            delete(self._home / TRASH)

    def _fail(self, contestant: Contestant, failure: StepFailed) -> None:
        self.failures.append(f"{contestant.name}: {failure}")
        self._say(self.failures[-1])


_REPOSITORY = Path(__file__).parents[2]
