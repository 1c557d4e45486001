"""Tries what an evolution strategy samples that learns which way is down: CMA-ES, by the library `cmaes`.

Numbers are searched by CMA-ES with margin, which keeps whole numbers from getting stuck, choices by a
distribution over them. The history is the only state: an origin says of which run, generation and place a
trial is, each sample is drawn with a seed of its own, and so the strategy is rebuilt by drawing again what
was tried and telling it what came of it.

Source: Hamano et al., "CatCMA with Margin for Single-Objective Mixed-Variable Black-Box Optimization"
(2025); restarts with a doubled population after Auger and Hansen, "A Restart CMA Evolution Strategy with
Increasing Population Size" (2005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array
from meristem.controllers.evolution import total_violation
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import History, Observation, Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.taken import Taken
from meristem.errors import InputError
from meristem.space import Space
from meristem.space.encoding import codec_of

_BY = "cmaes"
_TRIES = 40
_MOST_LEVELS = 64  # numbers of more values are searched as if continuous
_LARGEST_POPULATION = 1000
_FIRST_SPREAD = 0.15  # of the first generation, as a share of each parameter's range


class CmaesController:
    """CMA-ES with restarts, for one objective and limits.

    Args:
        population: Trials a generation in the first run; by default 4 + 3 log(parameters).
        restarts: Whether a run that has converged is followed by one with a doubled population.

    Raises:
        InputError: The library is not installed, or an argument cannot be used.
    """

    one_objective = True

    def __init__(self, population: int | None = None, restarts: bool = True) -> None:
        _library()
        if population is not None and (type(population) is not int or not 4 <= population <= _LARGEST_POPULATION):
            raise InputError(
                f"The population must be a whole number from 4 to {_LARGEST_POPULATION}, not {population!r}.",
                fix="Leave it out to have it chosen by the number of parameters.",
            )
        self.population, self.restarts = population, restarts
        self._random = RandomController()
        self._strategy: _Strategy | None = None

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        if not snapshot.goals.single:
            raise InputError(
                "The controller 'cmaes' has one objective only.",
                fix="Use 'gp' or 'evolution' for several, or one weighted sum such as '2*accuracy - latency'.",
            )
        strategy = self._caught_up(snapshot)
        taken, pins = Taken(snapshot), Pins(snapshot.space, snapshot.fixed)
        recommended: list[Recommendation] = []
        index = strategy.next_index(snapshot)
        for place in range(count):
            origin = {"by": _BY, "run": strategy.run, "generation": strategy.generation}
            index, point = strategy.sample(snapshot, taken, pins, index)
            if point is None:
                point = self._random.draw(snapshot, taken, place)
                origin["stuck"] = True  # nothing new is sampled any more: the next run begins
            else:
                origin["index"] = index
            if point is None:
                break
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin=origin))
            index += 1
        return recommended

    def _caught_up(self, snapshot: Snapshot) -> _Strategy:
        if self._strategy is None or not self._strategy.fits(snapshot):
            self._strategy = _Strategy(snapshot, self.population, self.restarts)
        self._strategy.read(snapshot)
        return self._strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Which dimension of the space is searched as what.

    Attributes:
        smooth, stepped, chosen: Places of continuous dimensions, of numbers with few values, and of choices.
        levels: The unit places of each stepped dimension's values.
        sizes: How many values each chosen dimension has.
    """

    smooth: npt.NDArray[np.intp]
    stepped: npt.NDArray[np.intp]
    chosen: npt.NDArray[np.intp]
    levels: list[list[float]]
    sizes: list[int]

    @classmethod
    def of(cls, space: Space) -> _Layout:
        smooth, stepped, chosen = list[int](), list[int](), list[int]()
        sizes = [space.parameters[name].cardinality or math.inf for name in space.dimensions]
        for place, (name, size) in enumerate(zip(space.dimensions, sizes, strict=True)):
            if size == 1:
                continue
            if size == 2 or not space.parameters[name].ordinal:
                chosen.append(place)
            else:
                (stepped if size <= _MOST_LEVELS else smooth).append(place)
        return cls(
            smooth=np.array(smooth, dtype=np.intp),
            stepped=np.array(stepped, dtype=np.intp),
            chosen=np.array(chosen, dtype=np.intp),
            levels=[_levels(space, place) for place in stepped],
            sizes=[int(sizes[place]) for place in chosen],
        )

    @property
    def count(self) -> int:
        return len(self.smooth) + len(self.stepped) + len(self.chosen)

    def vector(self, solution: Any, dimensions: int) -> Array:
        """Where in the unit cube a sample of the library lies, shape (dimensions,)."""
        found = np.full(dimensions, 0.5)
        if len(self.smooth):
            found[self.smooth] = solution.x
        if len(self.stepped):
            found[self.stepped] = solution.z
        if len(self.chosen):
            found[self.chosen] = (np.argmax(_padded(solution.c, max(self.sizes)), axis=1) + 0.5) / self.sizes
        return found


class _Strategy:
    """The library's optimizer as it stands after part of a history."""

    def __init__(self, snapshot: Snapshot, population: int | None, restarts: bool) -> None:
        self.space, self._seed, self._restarts = snapshot.space, snapshot.seed, restarts
        self._layout = _Layout.of(snapshot.space)
        self._population = population or 4 + math.floor(3 * math.log(max(1, self._layout.count)))
        self._history: History = snapshot.history
        self._baseline = snapshot.baseline  # limits may be relative to it: what was learned before is learned anew
        self._read = 0
        self._begin(run=0)

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether it can go on from where it is: the same study, and no part of its history gone."""
        same = snapshot.history is self._history and snapshot.seed == self._seed and snapshot.baseline == self._baseline
        return same and len(snapshot.history) >= self._read

    def read(self, snapshot: Snapshot) -> None:
        """Learns from what has ended since it last did."""
        for place in range(self._read, len(snapshot.history)):
            self._learn(snapshot.history[place], snapshot)
        self._read = len(snapshot.history)

    def next_index(self, snapshot: Snapshot) -> int:
        pending = [self._index(observation) for observation in snapshot.pending]
        return max([self._next, *(index + 1 for index in pending if index is not None)])

    def sample(self, snapshot: Snapshot, taken: Taken, pins: Pins, start: int) -> tuple[int, dict[str, Any] | None]:
        """The first usable sample from `start` on, with its index; None where many in a row cannot be used."""
        if not self._layout.count:
            return start, None
        for index in range(start, start + _TRIES):
            vector = self._layout.vector(self._solution(index), len(self.space.dimensions))
            point = pins.point(self.space, vector)
            if self.space.is_feasible(point) and point not in taken:
                return index, point
        return start, None

    def _begin(self, run: int) -> None:
        self.run, self.generation, self._next = run, 0, 0
        self._ended: dict[int, Observation] = {}
        if not self._layout.count:
            return
        rng = np.random.default_rng([self._seed, run])
        center = self.space.center()
        place = self.space.encode(center) if run == 0 else rng.random(len(self.space.dimensions))
        numeric = np.concatenate([self._layout.smooth, self._layout.stepped])
        self._numeric = bool(len(numeric))
        self._optimizer = _library().CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._layout.smooth) or None,
            z_space=self._layout.levels or None,
            c_space=self._layout.sizes or None,
            mean=np.clip(place[numeric], 0.1, 0.9) if len(numeric) else None,
            cov=np.eye(len(numeric)) * _FIRST_SPREAD**2 if len(numeric) else None,
            population_size=min(self._population * 2**run, _LARGEST_POPULATION),
        )

    def _learn(self, observation: Observation, snapshot: Snapshot) -> None:
        origin = observation.origin
        here = origin.get("by") == _BY and origin.get("run") == self.run and origin.get("generation") == self.generation
        if here and origin.get("stuck") is True:
            self._begin(self.run + 1)
            return
        index = self._index(observation)
        if index is None:
            return  # somebody else's trial, or a straggler of an earlier generation
        self._ended[index] = observation
        self._next = max(self._next, index + 1)
        if len(self._ended) < self._optimizer.population_size:
            return
        order, alike = _ordered(list(self._ended.values()), snapshot)
        places = list(self._ended)
        self._optimizer.tell([(self._solution(places[i]), float(rank)) for rank, i in enumerate(order)])
        self.generation, self._next, self._ended = self.generation + 1, 0, {}
        if self._restarts and (alike or (self._numeric and self._optimizer.should_stop())):
            self._begin(self.run + 1)

    def _index(self, observation: Observation) -> int | None:
        """The observation's place among the samples of this generation."""
        origin = observation.origin
        here = origin.get("by") == _BY and origin.get("run") == self.run and origin.get("generation") == self.generation
        index = origin.get("index")
        return index if here and type(index) is int and index >= 0 else None

    def _solution(self, index: int) -> Any:
        drawn = np.random.SeedSequence([self._seed, self.run, self.generation, index]).generate_state(1)[0]
        self._optimizer.reseed_rng(int(drawn))
        return self._optimizer.ask()


def _ordered(observations: list[Observation], snapshot: Snapshot) -> tuple[list[int], bool]:
    """The places of observations, the best first, and whether all are alike.

    Their order is all that the strategy looks at: limits come first, failures last; equal ones stand in the
    order in which they ended, since the library takes no generation of equals.
    """
    broken = total_violation(observations, snapshot)
    keys = [(o.loss is None, b, 0.0 if o.loss is None else o.loss) for o, b in zip(observations, broken, strict=True)]
    return sorted(range(len(keys)), key=keys.__getitem__), len(set(keys)) == 1


def _levels(space: Space, place: int) -> list[float]:
    codec = codec_of(space.parameters[space.dimensions[place]])
    return [codec.encode(value) for value in codec.values(2)]


def _padded(rows: Any, width: int) -> Array:
    return np.array([np.pad(np.asarray(row, dtype=float)[:width], (0, max(0, width - len(row)))) for row in rows])


def _library() -> Any:
    try:
        import cmaes  # an optional dependency
    except ImportError as error:
        raise InputError(
            "The controller 'cmaes' needs the package cmaes, which is not installed.",
            fix="Install it with: pip install 'meristem[cmaes]'",
        ) from error
    return cmaes
