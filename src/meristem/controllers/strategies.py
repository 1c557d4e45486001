"""Trials as a policy sees them: strategies with rewards by rank, and the training that came of them.

A strategy is the part of a point that is made of numbers: floats and integers, as places in the unit cube. All here
follows from the history; what is remembered between two snapshots only saves time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from meristem.bayesopt.kernel import Array, Mask
from meristem.controllers.combinations import Combinations
from meristem.controllers.evolution import total_violation
from meristem.controllers.policy_gradient import WINDOW, Episode, Training, shared_places
from meristem.controllers.protocol import Observation, Snapshot
from meristem.controllers.recurrent import Read, RecurrentPolicy
from meristem.space import Parameters, Space
from meristem.space.encoding import codec_of
from meristem.space.values import identity

BY = "reinforcement"
LENGTH = 3  # strategies that are read before one is drawn
_INITIAL = 7  # tells the random numbers of the first weights from those of draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A trial that has ended.

    Attributes:
        arms: The combinations of choices with which it agrees.
        strategy: Shape (d,), in the unit cube; what does not exist is where the defaults are.
        features: What the policy reads of it, shape (f,).
    """

    observation: Observation
    arms: Sequence[int]
    strategy: Array
    features: Array


class Layout:
    """Where in the unit cube of a space the numbers are, and what describes a strategy.

    Attributes:
        numbers: The columns of ordered parameters of more than one value, shape (d,).
        center: The default of each parameter, or its middle, whether it exists or not; shape (all columns,).
        size: How many numbers describe a strategy.
    """

    def __init__(self, space: Space, combinations: Combinations) -> None:
        self._space = space
        parameters = [space.parameters[name] for name in space.dimensions]
        columns = [c for c, p in enumerate(parameters) if p.ordinal and p.cardinality != 1]
        self.numbers: npt.NDArray[np.intp] = np.array(columns, dtype=np.intp)
        codecs = [codec_of(parameter) for parameter in parameters]
        self.center = np.array([codec.encode(codec.center()) for codec in codecs], dtype=float)
        values = [(name, choice) for name in combinations.names for choice in combinations.choices(name)]
        self._choices = [(name, identity(choice)) for name, choice in values]
        self.size = 2 * len(columns) + len(values) + 1

    def place(self, parameters: Parameters) -> tuple[Array, Mask]:
        """A point's numbers and which of them exist, shape (d,) each."""
        exists = self._space.active_mask(parameters)[self.numbers]
        unit = self._space.encode(parameters)[self.numbers]
        return np.where(exists, unit, self.center[self.numbers]), exists

    def describe(self, parameters: Parameters, reward: float) -> Array:
        """Numbers from -1 to 1 (0 where they do not exist), which exist, which choices were made, the reward."""
        strategy, exists = self.place(parameters)
        given = {name: identity(value) for name, value in parameters.items()}
        chosen = [float(name in given and given[name] == choice) for name, choice in self._choices]
        return np.concatenate([np.where(exists, 2.0 * strategy - 1.0, 0.0), exists, chosen, [reward]])


class Strategies:
    """What was tried of one study, in the order in which it ended, and what the policy has learned from it.

    Attributes:
        tried: The trials; those that were abandoned are left out.
        places: Their places among each other, 0 the best: those that were measured, of them those that keep all
            limits, then by loss. Failed ones share the last place. Shape (n,).
        tries: How many of them agree with each combination, shape (k,).
        training: None where there are no numbers to choose.
    """

    def __init__(self, snapshot: Snapshot, most_combinations: int) -> None:
        self._history, self._seed, self._baseline = snapshot.history, snapshot.seed, snapshot.baseline
        self.combinations = Combinations(snapshot.space, most_combinations)
        self.layout = Layout(snapshot.space, self.combinations)
        self.tried: list[Tried] = []
        self.places: Array = np.zeros(0)
        self.tries: Array = np.zeros(len(self.combinations.all))
        self.training: Training | None = None
        if count := len(self.layout.numbers):
            policy = RecurrentPolicy(self.layout.size, count, LENGTH)
            self.training = Training(policy, np.random.default_rng([snapshot.seed, _INITIAL]))
        self._place_of: dict[int, int] = {}  # by trial number
        self._read = 0

    def fits(self, snapshot: Snapshot) -> bool:
        """Whether it can go on from where it is: the same study, and no part of its history gone."""
        # Limits may be relative to the baseline: what was learned before it was known is learned anew.
        same = snapshot.history is self._history and snapshot.seed == self._seed and snapshot.baseline == self._baseline
        return same and len(snapshot.history) >= self._read

    def read(self, snapshot: Snapshot) -> None:
        """Learns from what has ended since it last did, one trial after the other."""
        for place in range(self._read, len(snapshot.history)):
            if snapshot.history[place].status != "abandoned":  # of which nobody knows what would have come
                self._take(snapshot.history[place], snapshot)
        self._read = len(snapshot.history)

    def best(self, arm: int | None) -> list[int]:
        """The numbers of the best few measured trials, from the worst to the best; of one combination or of all."""
        found = [
            (self.places[place], place)
            for place, one in enumerate(self.tried)
            if one.observation.loss is not None and (arm is None or arm in one.arms)
        ]
        return [self.tried[place].observation.number for _, place in sorted(found)[:LENGTH]][::-1]

    def parameters_of(self, number: int) -> Parameters:
        """Of the trial with that number, which must have ended."""
        return self.tried[self._place_of[number]].observation.parameters

    def good(self, most: int) -> Array:
        """How many of the `most` best trials agree with each combination, shape (k,)."""
        found = np.zeros(len(self.tries))
        for place in np.argsort(self.places, kind="stable")[:most]:
            if self.tried[place].observation.loss is not None:
                found[list(self.tried[place].arms)] += 1.0
        return found

    def reading(self, numbers: Sequence[int]) -> Read:
        """What the policy reads of these trials, in this order; of none: the defaults."""
        count = len(self.layout.numbers)
        read = Read(
            features=np.zeros((LENGTH, 1, self.layout.size)),
            strategies=np.zeros((LENGTH, 1, count)),
            there=np.zeros((LENGTH, 1), dtype=bool),
        )
        known = [self.tried[self._place_of[number]] for number in numbers if number in self._place_of][-LENGTH:]
        if not known:
            read.strategies[-1, 0], read.there[-1, 0] = self.layout.center[self.layout.numbers], True
        for step, one in enumerate(known, LENGTH - len(known)):
            read.features[step, 0], read.strategies[step, 0], read.there[step, 0] = one.features, one.strategy, True
        return read

    def _take(self, observation: Observation, snapshot: Snapshot) -> None:
        parameters = observation.parameters
        known = [one.observation for one in self.tried] + [observation]
        self.places = _places(known, snapshot)
        reward = 1.0 - 2.0 * (self.places[-1] + 0.5) / len(known)
        one = Tried(
            observation=observation,
            arms=self.combinations.agreeing(parameters),
            strategy=self.layout.place(parameters)[0],
            features=self.layout.describe(parameters, reward),
        )
        self.tried.append(one)
        self.tries[list(one.arms)] += 1.0
        self._place_of[observation.number] = len(self.tried) - 1
        if self.training is not None and (episode := self._episode(one, snapshot.space)) is not None:
            self.training.episodes.append(episode)
            self.training.learn(shared_places(self._behind(self.training.episodes[-WINDOW:])))

    def _behind(self, episodes: Sequence[Episode]) -> Array:
        """By how many places each trial is behind the average of those that were read for it, shape (n,).

        These are the baseline: to be good where others were good before is no merit of a draw.
        """
        own = self.places[np.array([self._place_of[one.number] for one in episodes], dtype=np.intp)]
        return np.asarray(own - np.array([self._baseline_of(one.after) for one in episodes]), dtype=float)

    def _baseline_of(self, after: Sequence[int]) -> float:
        known = [self._place_of[number] for number in after if number in self._place_of]
        return float(self.places[known].mean()) if known else (len(self.tried) - 1) / 2.0

    def _episode(self, one: Tried, space: Space) -> Episode | None:
        """The trial as the policy drew it; None where it did not."""
        drawn = drawn_as(one.observation.origin)
        if drawn is None:
            return None
        after, log_density, held = drawn
        return Episode(
            number=one.observation.number,
            after=after,
            read=self.reading(after),
            strategy=one.strategy,
            counts=self.counts(one.observation.parameters, held, space),
            log_density=log_density,
        )

    def counts(self, parameters: Parameters, held: Sequence[str], space: Space) -> Mask:
        """Which numbers of a point exist and were the policy's to choose, shape (d,); `held` were fixed by others."""
        names = [space.dimensions[column] for column in self.layout.numbers]
        free = np.array([name not in held for name in names], dtype=bool)
        return np.asarray(self.layout.place(parameters)[1] & free, dtype=bool)


def drawn_as(origin: Mapping[str, Any]) -> tuple[list[int], float, list[str]] | None:
    """How the policy drew a trial: after which others, its log density, what was fixed; None where it did not."""
    after, log_density = origin.get("after"), origin.get("log_density")
    if origin.get("by") != BY or not isinstance(after, list) or not isinstance(log_density, (int, float)):
        return None
    return after, float(log_density), list(origin.get("fixed") or [])


def _places(observations: Sequence[Observation], snapshot: Snapshot) -> Array:
    missing = np.array([o.loss is None for o in observations])
    losses = np.array([0.0 if o.loss is None else o.loss for o in observations], dtype=float)
    broken = np.where(missing, 0.0, total_violation(observations, snapshot))
    return shared_places(missing, broken, losses)
