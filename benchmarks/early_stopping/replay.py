"""Replays recorded learning curves in simulated time under a stopping rule, ours or one of Optuna's pruners."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
from record_curves import CURVES

from meristem.stopping.combined import build_rule
from meristem.stopping.curves import Curves

WITHIN = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One configuration: its losses at steps 1, 2, …; NaN from where it diverged.

    Attributes:
        zero: What 1 % is measured from: 0 for the log loss, 1 for the error rate, so that there it is 1 % of
            the accuracy.
    """

    losses: tuple[float, ...]
    zero: float = 0.0

    @property
    def final(self) -> float:
        return self.losses[-1] if math.isfinite(self.losses[-1]) else math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How one order of configurations went.

    Attributes:
        found: Share of the steps of all curves that had been spent when a configuration within 1 % of the
            best came to its end; None where each of those was stopped.
        spent: The same share when all had been tried.
        regret: By how much the best that came to its end is worse than the best of all, relative to its log
            loss or its accuracy.
    """

    found: float | None
    spent: float
    regret: float

    @property
    def cost(self) -> float:
        """`found`; where it was missed, what was spent in vain and then running all in full."""
        return self.found if self.found is not None else self.spent + 1.0


class Contender(Protocol):
    """Follows one replay; numbers of trials start at 1."""

    def start(self, number: int) -> None: ...

    def report(self, number: int, step: int, loss: float) -> bool:
        """Whether the trial should be stopped now."""
        ...

    def end(self, number: int, loss: float | None) -> None:
        """The trial came to its end with `loss`, or (None) was stopped."""
        ...


def recorded(metric: str) -> dict[str, list[Recorded]]:
    """All curves by data set."""
    zero = {"log_loss": 0.0, "error": 1.0}[metric]
    data = json.loads(gzip.decompress(CURVES.read_bytes()))["data"]
    return {name: [Recorded(losses=_filled(one[metric]), zero=zero) for one in found] for name, found in data.items()}


def replay(curves: Sequence[Recorded], contender: Contender, *, parallel: int) -> Replayed:
    """Tries `curves` in their order, `parallel` at a time, each step costing the same."""
    best = min(curve.final for curve in curves)
    unit = abs(best - curves[0].zero)
    close = best + WITHIN * unit
    total = sum(len(curve.losses) for curve in curves)
    waiting = iter(enumerate(curves, start=1))
    running: list[Iterator[float | None]] = []
    spent, found, chosen = 0, None, math.inf
    while True:
        while len(running) < parallel and (following := next(waiting, None)) is not None:
            running.append(_steps(*following, contender))
        if not running:
            return Replayed(found=found, spent=spent / total, regret=(chosen - best) / unit)
        for trial in list(running):
            spent += 1
            ended = next(trial)
            if ended is None:
                continue
            running.remove(trial)
            chosen = min(chosen, ended)
            if found is None and ended <= close:
                found = spent / total


def _steps(number: int, curve: Recorded, contender: Contender) -> Iterator[float | None]:
    """Gives None a step, at last the final loss: infinity where the trial was stopped."""
    contender.start(number)
    for step, loss in enumerate(curve.losses, start=1):
        stopped = contender.report(number, step, loss)
        last = step == len(curve.losses)
        if stopped or last:
            contender.end(number, curve.final if last else None)
            yield curve.final if last else math.inf
            return
        yield None


class Ours:
    """A rule of Meristem, asked as the engine asks it."""

    def __init__(self, rule: Any) -> None:
        self._rule = build_rule(rule)
        self._curves = Curves()

    def start(self, number: int) -> None:
        self._curves.start(number)

    def report(self, number: int, step: int, loss: float) -> bool:
        self._curves.report(number, step, loss)
        return self._rule.why_stop(self._curves.curve(number), self._curves.others(number)) is not None

    def end(self, number: int, loss: float | None) -> None:
        self._curves.end(number)


class Optunas:
    """One of Optuna's pruners, through its `ask` and `tell`."""

    def __init__(self, pruner: Callable[[], optuna.pruners.BasePruner]) -> None:
        self._study = optuna.create_study(
            study_name="replay", sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner()
        )
        self._trials: dict[int, optuna.Trial] = {}

    def start(self, number: int) -> None:
        self._trials[number] = self._study.ask()

    def report(self, number: int, step: int, loss: float) -> bool:
        self._trials[number].report(loss, step)
        return self._trials[number].should_prune()

    def end(self, number: int, loss: float | None) -> None:
        trial = self._trials.pop(number)
        if loss is None:
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif math.isinf(loss):
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, loss)


class InFull:
    """Stops nothing."""

    def start(self, number: int) -> None: ...

    def report(self, number: int, step: int, loss: float) -> bool:
        return False

    def end(self, number: int, loss: float | None) -> None: ...


def _filled(losses: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if loss is None else loss for loss in losses)
