"""Meristem's controllers, asked directly, and its Study; both without a file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import meristem
from benchmarks.search.problem import Problem, Values
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.objective import Goals
from meristem.study.definition import build_controller


class Meristem:
    """A controller by name. It keeps the history as the engine does, and asks for whole batches at once."""

    version = meristem.__version__

    def __init__(self, problem: Problem, seed: int, controller: str) -> None:
        self._space = meristem.Space(problem.space)
        self._goals = Goals.parse(problem.objective, problem.limits)
        self._controller = build_controller(controller)[0]
        self._history = History(self._space)
        self._pending: dict[int, Recommendation] = {}
        self._created, self._seed = 0, seed

    def ask(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        pending = [self._observation(number, "running") for number in self._pending]
        snapshot = Snapshot(
            space=self._space, goals=self._goals, history=self._history, pending=pending, created=self._created,
            seed=self._seed,
        )  # fmt: skip
        given = list(self._controller.recommend(snapshot, count))
        numbers = range(self._created + 1, self._created + 1 + len(given))
        self._pending |= dict(zip(numbers, given, strict=True))
        self._created += len(given)
        return [(number, dict(one.parameters)) for number, one in zip(numbers, given, strict=True)]

    def tell(self, token: Any, metrics: Mapping[str, float], sems: Mapping[str, float]) -> None:
        self._history.add(self._observation(token, "completed", metrics, sems))
        del self._pending[token]

    def attach(self, values: Values, metrics: Mapping[str, float]) -> None:
        self._created += 1
        self._pending[self._created] = Recommendation(parameters=dict(values), origin={"by": "user"})
        self.tell(self._created, metrics, {})

    def _observation(
        self, number: int, status: str, metrics: Mapping[str, float] | None = None, sems: Mapping[str, float] = {}
    ) -> Observation:  # fmt: skip
        losses = self._goals.losses(metrics) if metrics is not None else None
        return Observation(
            number=number, parameters=self._pending[number].parameters, status=status,
            loss=losses[0] if losses else None, losses=losses if losses and len(losses) > 1 else (),
            metrics=dict(metrics or {}), sems=dict(sems), origin=self._pending[number].origin,
        )  # fmt: skip


class MeristemStudy:
    """The default as a user meets it: `Study.ask` and `Study.tell` in memory, bookkeeping and all."""

    version = meristem.__version__

    def __init__(self, problem: Problem, seed: int, _: str = "") -> None:
        warnings.simplefilter("ignore")
        self._study = meristem.Study(
            "bench", space=problem.space, objective=problem.objective, outcome_constraints=problem.limits, seed=seed
        )

    def ask(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        trials = [self._study.ask() for _ in range(count)]
        return [(trial, dict(trial.parameters)) for trial in trials]

    def tell(self, token: Any, metrics: Mapping[str, float], sems: Mapping[str, float]) -> None:
        told = {name: (value, sems[name]) if name in sems else value for name, value in metrics.items()}
        self._study.tell(token, **told)

    def attach(self, values: Values, metrics: Mapping[str, float]) -> None:
        self._study.attach(values, dict(metrics))
