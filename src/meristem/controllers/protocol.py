"""What a controller sees and gives: the study's history as a value, recommendations as values.

A controller decides what to try next and does nothing else: no clock, no I/O, no hidden randomness.
Asked twice with the same snapshot it gives the same answer, so resuming a study is asking again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from meristem.errors import InputError
from meristem.space import Parameters, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One metric to be made large or small."""

    metric: str
    maximize: bool

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Reads `"accuracy"` (larger is better) or `"-loss"` (smaller is better).

        Raises:
            InputError: Empty, or anything else than one metric's name.
        """
        if not isinstance(text, str):
            raise InputError(f"The objective must be text, not {type(text).__name__}: 'accuracy' or '-loss'.")
        name = text.strip()
        maximize = not name.startswith("-")
        name = name.removeprefix("-").strip()
        if not name or any(mark in name for mark in ",*+<>= \t\n") or name.startswith("-"):
            raise InputError(
                f"The objective {text!r} is not one metric's name.",
                fix="Write 'accuracy' to maximize or '-loss' to minimize.",
            )
        return cls(metric=name, maximize=maximize)

    def loss(self, value: float) -> float:
        """`value` in the sense in which lower is better."""
        return -value if self.maximize else value

    def __str__(self) -> str:
        return self.metric if self.maximize else f"-{self.metric}"


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
        loss: The objective, lower is better, finite; None where nothing usable was measured.
        score: What the executor returned, whatever it is.
    """

    number: int
    parameters: Parameters
    status: str
    loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    score: Any = None
    origin: Mapping[str, Any] = field(default_factory=dict)


class History:
    """Ended trials in the order in which they ended; grows at its end only.

    Adding costs the same at any length. `version` tells whether something was added.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._observations: list[Observation] = []
        self._keys: set[str] = set()

    def add(self, observation: Observation, key: str | None = None) -> None:
        """Adds a trial that has ended; `key` is `space.key(observation.parameters)` where it is known."""
        self._observations.append(observation)
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
        pending: Trials proposed or running, in order of their numbers.
        created: How many trials the study has had so far, ended and pending; the next gets this number + 1.
        seed: The study's seed.
    """

    space: Space
    objectives: tuple[Objective, ...]
    history: History
    pending: Sequence[Observation] = ()
    created: int = 0
    seed: int = 0

    def taken(self, parameters: Parameters) -> bool:
        """Whether these parameters were tried or are being tried."""
        key = self.space.key(parameters)
        return self.history.tried(parameters) or any(self.space.key(p.parameters) == key for p in self.pending)

    def rng(self, index: int) -> np.random.Generator:
        """The random generator for the recommendation that becomes trial `created + 1 + index`."""
        return np.random.default_rng([self.seed, self.created + index])


class Controller(Protocol):
    """Decides what to try next."""

    def recommend(self, snapshot: Snapshot, count: int) -> Sequence[Recommendation]:
        """At most `count` points to try next, all inside `snapshot.space`.

        Returning none while trials are pending means "ask again when one has ended";
        returning none while nothing is pending ends the study: there is nothing more to try.
        It must not raise for a history that lacks usable losses, and must give the same answer
        for the same snapshot.
        """
        ...


Recommend = Callable[[Snapshot, int], Sequence[Recommendation]]
