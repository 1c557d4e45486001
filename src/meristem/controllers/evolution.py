"""Tries offspring of the best trials so far: NSGA-II, for one or several objectives and limits.

The history is the only state: each offspring's origin says of which generation it is, and the parents of a
generation are the best of all trials that have ended. A free worker therefore never waits for a generation.

Source: Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (2002); limits come
first, as in its section VI; mutation after Deb and Goyal, "A Combined Genetic Adaptive Search" (1996).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from meristem.bayesopt.kernel import Array, Mask
from meristem.bayesopt.pareto import Ranks, fittest
from meristem.controllers.pins import Pins
from meristem.controllers.protocol import Observation, Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.sobol import SobolController
from meristem.controllers.taken import Taken
from meristem.errors import InputError

_BY = "evolution"
_TRIES = 50
_CROSSOVER = 0.9  # the share of offspring with two parents
_SPREAD = 15.0  # of children around parents: the larger, the nearer
_MUTATION_SPREAD = 20.0


class EvolutionController:
    """A first generation that fills the space evenly, then tournaments, crossover and mutation.

    Args:
        population: Trials a generation, and how many of the best may be parents; by default 10 to 50, more
            with more parameters.
    """

    def __init__(self, population: int | None = None) -> None:
        if population is not None and (type(population) is not int or population < 2):
            raise InputError(
                f"The population must be a whole number of at least 2, not {population!r}.",
                fix="Leave it out to have it chosen by the number of parameters.",
            )
        self.population = population
        self._sobol = SobolController()
        self._random = RandomController()

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        population = self.population or min(50, 8 + 2 * len(snapshot.space.dimensions))
        generation, members = _reached(snapshot)
        taken, recommended = Taken(snapshot), list[Recommendation]()
        parents = _Parents.of(snapshot, population)
        fresh = iter(self._sobol.recommend(snapshot, min(count, max(0, population - members))))
        for place in range(count):
            if members >= population:
                generation, members = generation + 1, 0
            origin: dict[str, Any] = {"by": _BY, "generation": generation}
            point = None
            if generation == 0 or len(parents.vectors) < 2:
                first = next(fresh, None)
                point = None if first is None or first.parameters in taken else dict(first.parameters)
            else:
                point, origin["parents"] = _offspring(parents, snapshot, taken, place)
            if point is None:
                point = self._random.draw(snapshot, taken, place)
                origin["fallback"] = "random"
            if point is None:
                break
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin=origin))
            members += 1
        return recommended


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parents:
    """Those who may have offspring, the fittest first: unit vectors, shape (n, d), ranks, room, numbers."""

    vectors: Array
    rank: Ranks
    room: Array
    numbers: Sequence[int]

    @classmethod
    def of(cls, snapshot: Snapshot, population: int) -> _Parents:
        measured = snapshot.history.measured()
        several = not snapshot.goals.single
        measured = [o for o in measured if not several or len(o.losses) == len(snapshot.objectives)]
        chosen, rank, room = _ranked(measured, snapshot, population)
        winners = [measured[place] for place in chosen]
        vectors = np.array([snapshot.space.encode(o.parameters) for o in winners])
        count = len(snapshot.space.dimensions)
        return cls(
            vectors=vectors.reshape(len(winners), count), rank=rank, room=room, numbers=[o.number for o in winners]
        )

    def draw(self, rng: np.random.Generator) -> int:
        """The winner of a tournament of two: the lower rank, else the more room."""
        one, other = rng.integers(0, len(self.vectors), 2)
        better = (self.rank[other], -self.room[other]) < (self.rank[one], -self.room[one])
        return int(other if better else one)


def _reached(snapshot: Snapshot) -> tuple[int, int]:
    """The latest generation, and how many trials it has so far."""
    latest, members = 0, 0
    for observations in (snapshot.history, snapshot.pending):
        for observation in observations:
            generation = observation.origin.get("generation") if observation.origin.get("by") == _BY else None
            if type(generation) is int and generation > latest:
                latest, members = generation, 0
            members += generation == latest
    return latest, members


def _ranked(measured: Sequence[Observation], snapshot: Snapshot, count: int) -> tuple[Ranks, Ranks, Array]:
    """The fittest: those that keep all limits by their losses, then the others by how far they break them."""
    losses = np.array([o.losses or (o.loss,) for o in measured], dtype=float).reshape(-1, len(snapshot.objectives))
    broken = total_violation(measured, snapshot)
    kept, over = np.flatnonzero(broken == 0), np.flatnonzero(broken > 0)
    chosen, rank, room = fittest(losses[kept], count)
    chosen = kept[chosen]
    worst = over[np.argsort(broken[over], kind="stable")][: count - len(chosen)]
    after = (rank.max(initial=-1) + 1 + np.arange(len(worst))).astype(np.intp)
    return np.concatenate([chosen, worst]), np.concatenate([rank, after]), np.concatenate([room, np.zeros(len(worst))])


def total_violation(observations: Sequence[Observation], snapshot: Snapshot) -> Array:
    """By how much each observation breaks all limits together, shape (n,): 0 where all are kept.

    Each limit counts in units of what is typical of it. Where an excess is not known it is infinite.
    """
    goals = snapshot.goals
    if not goals.constraints:
        return np.zeros(len(observations))
    rows = [goals.excesses(o.metrics, snapshot.baseline) for o in observations]
    excesses = np.array([[np.inf if e is None else max(e, 0.0) for e in row] for row in rows], dtype=float)
    total = np.zeros(len(observations))
    for column in excesses.T:
        over = column[np.isfinite(column) & (column > 0)]
        total += column / (float(np.median(over)) if len(over) else 1.0)
    return total


def _offspring(
    parents: _Parents, snapshot: Snapshot, taken: Taken, place: int
) -> tuple[dict[str, Any] | None, list[int]]:
    """An untaken child and its parents' numbers; None where none was found."""
    space, rng, pins = snapshot.space, snapshot.rng(place), Pins(snapshot.space, snapshot.fixed)
    kinds = [space.parameters[name] for name in space.dimensions]
    categorical = np.array([not kind.ordinal for kind in kinds], dtype=bool)
    sizes = np.array([kind.cardinality or math.inf for kind in kinds])
    for attempt in range(_TRIES):
        one, other = parents.draw(rng), parents.draw(rng)
        child = _crossed(parents.vectors[one], parents.vectors[other], categorical, rng)
        # Where children keep being taken, they are moved further.
        child = _mutated(child, categorical, sizes, rng, strength=1.0 + attempt / 5.0)
        point = pins.point(space, child)
        if space.is_feasible(point) and point not in taken:
            return point, sorted({parents.numbers[one], parents.numbers[other]})
    return None, []


def _crossed(one: Array, other: Array, categorical: Mask, rng: np.random.Generator) -> Array:
    """A child of two: simulated binary crossover of numbers, either parent's choices."""
    count = len(one)
    if rng.random() > _CROSSOVER:
        return one.copy()
    draw = rng.random(count)
    power = 1.0 / (_SPREAD + 1.0)
    spread = np.where(draw < 0.5, (2.0 * draw) ** power, (2.0 * (1.0 - draw)) ** -power)
    side = rng.choice([-1.0, 1.0], count)
    between = 0.5 * (one + other) + 0.5 * side * spread * (one - other)
    either = np.where(rng.random(count) < 0.5, one, other)
    mixed = np.where(categorical | (rng.random(count) < 0.5), either, between)
    return np.asarray(np.clip(mixed, 0.0, 1.0), dtype=float)


def _mutated(child: Array, categorical: Mask, sizes: Array, rng: np.random.Generator, *, strength: float) -> Array:
    """`child` with about `strength` of its parameters moved: numbers a little, choices to any."""
    count = len(child)
    if not count:
        return child
    moved = rng.random(count) < min(1.0, strength / count)
    draw = rng.random(count)
    power = 1.0 / (_MUTATION_SPREAD / strength + 1.0)
    step = np.where(draw < 0.5, (2.0 * draw) ** power - 1.0, 1.0 - (2.0 * (1.0 - draw)) ** power)
    # A parameter of few values moves by one of them at least.
    step = np.where(np.abs(step) * sizes < 1.0, np.sign(step) / sizes, step)
    after = np.where(categorical, rng.random(count), np.clip(child + step, 0.0, 1.0))
    return np.asarray(np.where(moved, after, child), dtype=float)
