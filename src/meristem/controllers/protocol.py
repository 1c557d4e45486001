"""What a controller sees and gives: the study's history as a value, recommendations as values.

A controller decides what to try next and does nothing else: no clock, no I/O, no hidden randomness.
Asked twice with the same snapshot it gives the same answer, so resuming a study is asking again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from meristem.objective import Goals, Objective
from meristem.space import Parameters, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What a controller asks to be tried; it becomes a trial.

    Attributes:
        origin: Who recommended it and why, kept with the trial (JSON values), such as
            `{"by": "sobol", "index": 7}`. A controller may read it back from the history.
    """

    parameters: Parameters
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A trial as controllers see it.

    Attributes:
        status: `completed`, `failed`, `stopped` or `abandoned`; `waiting` or `running` while pending.
        loss: The objective, lower is better, finite; None where nothing usable was measured. Of several
            objectives the first.
        losses: All objectives where there are several, else empty.
        sems: Standard errors of metrics, where they are known.
        score: What the executor returned, whatever it is.
    """

    number: int
    parameters: Parameters
    status: str
    loss: float | None = None
    losses: tuple[float, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    sems: Mapping[str, float] = field(default_factory=dict)
    score: Any = None
    origin: Mapping[str, Any] = field(default_factory=dict)


class History:
    """Ended trials in the order in which they ended; grows at its end only.

    Adding costs the same at any length.

    Attributes:
        anything_measured: Whether any observation has a loss.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._observations: list[Observation] = []
        self._keys: set[str] = set()
        self.anything_measured = False

    def add(self, observation: Observation, key: str | None = None) -> None:
        """Adds a trial that has ended; `key` is `space.key(observation.parameters)` where it is known."""
        self._observations.append(observation)
        self.anything_measured = self.anything_measured or observation.loss is not None
        self._keys.add(key or self.space.key(observation.parameters))

    def tried(self, parameters: Parameters) -> bool:
        """Whether a trial of exactly these parameters has ended."""
        return self.space.key(parameters) in self._keys

    def measured(self) -> list[Observation]:
        """The observations that have a loss."""
        return [o for o in self._observations if o.loss is not None]

    def losses(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([o.loss for o in self._observations if o.loss is not None], dtype=float)

    def __len__(self) -> int:
        return len(self._observations)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self._observations)

    def __getitem__(self, index: int) -> Observation:
        return self._observations[index]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a controller may base its decision on.

    Attributes:
        goals: Objectives, limits on metrics, thresholds.
        pending: Trials proposed or running, in order of their numbers.
        created: How many trials the study has had so far, ended and pending; the next gets this number + 1.
        seed: The study's seed.
        fixed: Values that every recommendation must have, by parameter.
        baseline: The metrics of the baseline trial, to which limits may be relative.
        earlier: Observations of earlier studies that may teach something about this one, one sequence a study.
    """

    space: Space
    goals: Goals
    history: History
    pending: Sequence[Observation] = ()
    created: int = 0
    seed: int = 0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, float] | None = None
    earlier: Sequence[Sequence[Observation]] = ()

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return self.goals.objectives

    def taken(self, parameters: Parameters) -> bool:
        """Whether these parameters were tried or are being tried."""
        key = self.space.key(parameters)
        return self.history.tried(parameters) or any(self.space.key(p.parameters) == key for p in self.pending)

    def promising(self, recommendation: Recommendation) -> Snapshot:
        """This snapshot as if `recommendation` had become a trial."""
        number = self.created + 1
        promised = Observation(
            number=number, parameters=recommendation.parameters, status="waiting", origin=recommendation.origin
        )
        return replace(self, pending=[*self.pending, promised], created=number)

    def rng(self, index: int) -> np.random.Generator:
        """The random generator for the recommendation that becomes trial `created + 1 + index`."""
        return np.random.default_rng([self.seed, self.created + index])


class Controller(Protocol):
    """Decides what to try next."""

    def recommend(self, snapshot: Snapshot, count: int) -> Sequence[Recommendation]:
        """At most `count` points to try next, all inside `snapshot.space`.

        Returning none while trials are pending means "ask again when one has ended";
        returning none while nothing is pending ends the study: there is nothing more to try.
        A controller that always comes to that may say so by an attribute `ends_by_itself`, and needs no budget.
        It must not raise for a history that lacks usable losses, and must give the same answer
        for the same snapshot.
        """
        ...
