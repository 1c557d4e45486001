"""Tries all combinations of choices, then learns to improve the numbers by reinforcement: Clara's controller.

The history is the only state: each trial's origin says in which phase it was given, after which trials the policy drew
it and with what density, so that the training can be repeated. A free worker never waits: while the last combinations
are being tried, and while any trial runs, the policy goes on from what has ended.

Source: Yang et al., "Searching Learning Strategy with Reinforcement Learning for 3D Medical Image Segmentation",
MICCAI 2019 (arXiv 2006.05847), for a recurrent policy over strategies. Where Clara froze the best combination of
choices for good, threshold ascent decides here for each trial, which re-opens the choice when the evidence asks for it.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from meristem.bayesopt.kernel import Array
from meristem.controllers.pins import Pins
from meristem.controllers.policy_gradient import Training
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.strategies import BY, Strategies
from meristem.controllers.taken import Taken
from meristem.controllers.threshold_ascent import GOOD, upper_bounds
from meristem.errors import InputError, SpaceError
from meristem.space import Parameters, Space
from meristem.space.encoding import codec_of

_TRIES = 40
_STARTS = 200
_ARMS = 3  # combinations in which a free point is looked for, before chance decides
_ELSEWHERE = 0.5  # the share of points that take their numbers from the best of all, where it has other choices
_CHANCE = 0.05  # the share of strategies that are drawn from everywhere


class ReinforcementController:
    """First every combination of choices with the defaults of the numbers (or their middles), then a policy.

    The policy is a recurrent network that reads the best strategies so far, draws the next one, and learns from the
    ranks of what it drew. For one objective and limits; failed trials count as the worst.

    Args:
        max_rounds: After so many trials in all, failed ones included, it asks to stop. None: it does not, and the
            study needs a budget.
        most_combinations: More combinations of choices than that are refused, since all of them are tried first.
    """

    one_objective = True

    def __init__(self, max_rounds: int | None = None, most_combinations: int = 200) -> None:
        given = {"max_rounds": max_rounds, "most_combinations": most_combinations}
        wrong = [
            f"{name} must be a whole number of at least 1, not {value!r}"
            for name, value in given.items()
            if (type(value) is not int or value < 1) and (name, value) != ("max_rounds", None)
        ]
        if wrong:
            raise InputError("The controller 'reinforcement' cannot be built", wrong)
        self.max_rounds, self.most_combinations = max_rounds, most_combinations
        self.stop_message: str | None = None
        self._random = RandomController()
        self._strategies: Strategies | None = None
        self._starts: dict[int, dict[str, Any] | None] = {}

    @property
    def ends_by_itself(self) -> bool:
        """Whether it comes to an end in any space."""
        return self.max_rounds is not None

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        if not snapshot.goals.single:
            raise InputError(
                "The controller 'reinforcement' has one objective only.",
                fix="Use 'auto', 'gp' or 'evolution' for several, or one weighted sum such as '2*accuracy - latency'.",
            )
        strategies = self._caught_up(snapshot)
        ask = _Ask(snapshot, strategies)
        recommended: list[Recommendation] = []
        for place in range(self._allowed(count, snapshot, strategies)):
            found = self._combination(ask) or self._drawn(ask, snapshot.rng(place)) or self._by_chance(ask, place)
            if found is None:
                break
            ask.add(found)
            recommended.append(found)
        return recommended

    def _caught_up(self, snapshot: Snapshot) -> Strategies:
        if self._strategies is None or not self._strategies.fits(snapshot):
            self._strategies = Strategies(snapshot, self.most_combinations)
            self._starts = {}
        self._strategies.read(snapshot)
        return self._strategies

    def _allowed(self, count: int, snapshot: Snapshot, strategies: Strategies) -> int:
        """How many of `count` trials may be started; asks to stop once all rounds have ended."""
        self.stop_message = None
        if self.max_rounds is None:
            return count
        ended = len(strategies.tried)
        if ended >= self.max_rounds:
            self.stop_message = f"max_rounds is {self.max_rounds}, and {ended} trials have ended"
        return min(count, self.max_rounds - ended - len(snapshot.pending))

    def _combination(self, ask: _Ask) -> Recommendation | None:
        """The first combination that was never tried."""
        for arm in ask.open[ask.tries[ask.open] == 0].tolist():
            point = self._start(ask, arm)
            if point is not None and point not in ask.taken:
                return Recommendation(parameters=point, origin={"by": BY, "phase": "grid", "combination": arm})
        return None

    def _start(self, ask: _Ask, arm: int) -> dict[str, Any] | None:
        """A combination with the defaults, else with any numbers that the constraints allow; None where none are."""
        if ask.snapshot.fixed:
            return _start(ask, arm)
        if arm not in self._starts:
            self._starts[arm] = _start(ask, arm)
        return self._starts[arm]

    def _drawn(self, ask: _Ask, rng: np.random.Generator) -> Recommendation | None:
        """A free point with the most promising combination that has one."""
        training = ask.strategies.training
        if training is None:
            return None
        bounds = upper_bounds(ask.good[ask.open], ask.tries[ask.open])
        ordered = ask.open[np.argsort(-bounds, kind="stable")].tolist()
        possible = (arm for arm in ordered if self._start(ask, arm) is not None)
        draws = (_Draw(ask, training, arm).find(rng) for arm in islice(possible, _ARMS))
        return next((found for found in draws if found is not None), None)

    def _by_chance(self, ask: _Ask, place: int) -> Recommendation | None:
        point = self._random.draw(ask.snapshot, ask.taken, place)
        return None if point is None else Recommendation(parameters=point, origin={"by": BY, "phase": "chance"})


class _Ask:
    """What one answer is made from; whoever recommends adds to it.

    Attributes:
        open: The combinations that agree with what is fixed.
        tries: How many trials of each combination have ended or are under way, shape (k,).
        good: How many of each are among the best of all, shape (k,).
    """

    def __init__(self, snapshot: Snapshot, strategies: Strategies) -> None:
        self.snapshot, self.strategies = snapshot, strategies
        self.taken, self.pins = Taken(snapshot), Pins(snapshot.space, snapshot.fixed)
        self.open = np.array(strategies.combinations.agreeing(snapshot.fixed), dtype=np.intp)
        self.tries, self.good = strategies.tries.copy(), strategies.good(GOOD)
        for pending in snapshot.pending:
            self.tries[strategies.combinations.agreeing(pending.parameters)] += 1.0

    def add(self, recommendation: Recommendation) -> None:
        self.taken.add(recommendation.parameters)
        self.tries[self.strategies.combinations.agreeing(recommendation.parameters)] += 1.0


class _Draw:
    """Draws points of one combination."""

    def __init__(self, ask: _Ask, training: Training, arm: int) -> None:
        self._ask, self._training, self._arm = ask, training, arm
        self._own, self._all = ask.strategies.best(arm), ask.strategies.best(None)
        space, layout = ask.snapshot.space, ask.strategies.layout
        self._unit = layout.center.copy()
        for name, value in ask.strategies.combinations.all[arm].items():
            self._unit[space.dimensions.index(name)] = codec_of(space.parameters[name]).encode(value)

    def find(self, rng: np.random.Generator) -> Recommendation | None:
        """A free point; None where many in a row were taken or not allowed."""
        elsewhere = bool(self._all) and self._all[-1] not in self._own and rng.random() < _ELSEWHERE
        if elsewhere and (found := self._exchanged()) is not None:
            return found
        for attempt in range(_TRIES):
            widened = 1.0 + attempt / 5.0  # where draws keep being taken, they go further
            if rng.random() < _CHANCE:
                found = self._anywhere(rng)
            else:
                found = self._by_policy(rng, self._all if elsewhere or not self._own else self._own, widened)
            if found is not None:
                return found
        return None

    def _exchanged(self) -> Recommendation | None:
        """The best numbers of all with this combination."""
        strategies, snapshot, source = self._ask.strategies, self._ask.snapshot, self._all[-1]
        chosen = strategies.combinations.names
        numbers = {name: v for name, v in strategies.parameters_of(source).items() if name not in chosen}
        point = _completed(snapshot.space, {**numbers, **strategies.combinations.all[self._arm], **snapshot.fixed})
        if not snapshot.space.is_feasible(point) or point in self._ask.taken:
            return None
        origin = {"by": BY, "phase": "exchange", "combination": self._arm, "numbers_of": source}
        return Recommendation(parameters=point, origin=origin)

    def _anywhere(self, rng: np.random.Generator) -> Recommendation | None:
        point = self._free(rng.random(len(self._ask.strategies.layout.numbers)))
        origin = {"by": BY, "phase": "chance", "combination": self._arm}
        return None if point is None else Recommendation(parameters=point, origin=origin)

    def _by_policy(self, rng: np.random.Generator, after: list[int], widened: float) -> Recommendation | None:
        strategies = self._ask.strategies
        draws = self._training.policy.draws(self._training.weights, strategies.reading(after))
        noise = rng.standard_normal(len(strategies.layout.numbers))
        point = self._free(draws.mean[0] + widened * np.exp(draws.log_spread[0]) * noise)
        if point is None:
            return None
        fixed = sorted(self._ask.snapshot.fixed)
        counts = strategies.counts(point, fixed, self._ask.snapshot.space)
        log_density = draws.log_density(strategies.layout.place(point)[0][None], counts[None])[0]
        origin = {
            "by": BY,
            "phase": "policy",
            "combination": self._arm,
            "after": after,
            "log_density": round(float(log_density), 6),
        }
        return Recommendation(parameters=point, origin={**origin, "fixed": fixed} if fixed else origin)

    def _free(self, strategy: Array) -> dict[str, Any] | None:
        """The point with these numbers, shape (d,); None where it is taken or not allowed."""
        unit = self._unit.copy()
        unit[self._ask.strategies.layout.numbers] = np.clip(strategy, 0.0, 1.0)
        point = self._ask.pins.point(self._ask.snapshot.space, unit)
        return point if self._ask.snapshot.space.is_feasible(point) and point not in self._ask.taken else None


def _start(ask: _Ask, arm: int) -> dict[str, Any] | None:
    space, combination = ask.snapshot.space, ask.strategies.combinations.all[arm]
    held = {**combination, **ask.snapshot.fixed}
    point = _completed(space, held)
    if space.is_feasible(point):
        return point
    rng = np.random.default_rng([ask.snapshot.seed, arm])
    pins = Pins(space, {name: value for name, value in held.items() if name in space.parameters})
    for _ in range(_STARTS):
        point = pins.point(space, rng.random(len(space.dimensions)))
        if space.is_feasible(point):
            return point
    if combination or ask.snapshot.fixed:
        return None
    try:
        return space.sample(rng)  # finds points also where next to none are allowed
    except SpaceError:
        return None


def _completed(space: Space, given: Parameters) -> dict[str, Any]:
    """A point with the values `given` as far as they exist with one another, defaults or middles elsewhere."""
    whole = space.complete(given, middle=True)
    return space.normalize({name: whole[name] for name in space.active(whole)})
