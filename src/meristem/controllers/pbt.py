"""Population based training: generations of trials, of which the best are copied and varied.

After Jaderberg et al., "Population Based Training of Neural Networks" (2017). A trial is one stretch of training
of one member of the population. Its origin names the trial from whose checkpoint it goes on:
`{"by": "pbt", "generation": g, "member": m, "parent": number}`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from meristem.controllers.inner import Inner
from meristem.controllers.perturbation import perturbed
from meristem.controllers.protocol import Observation, Recommendation, Snapshot
from meristem.controllers.sobol import SobolController
from meristem.errors import InputError

_BY = "pbt"


class PbtController:
    """A function of the history: nothing is remembered but what stands in the trials' origins.

    Members of a generation that did well go on with their parameters; each of the worst (and of the failed)
    goes on from one of the best, with that one's parameters varied. A generation starts when all of the last
    have ended. Parameters may therefore repeat, each time from another checkpoint.

    Args:
        population: Members of a generation; fewer where the space has fewer points.
        share: The part of a generation that counts as the best, and as the worst.
        resample: How probable it is that a parameter of a copy is drawn anew instead of moved a little.
        generations: After so many there is nothing more to try.
    """

    one_objective = True
    ends_by_itself = True

    def __init__(self, population: int = 10, share: float = 0.2, resample: float = 0.25, generations: int = 10) -> None:
        problems = _problems(population, share, resample, generations)
        if problems:
            raise InputError("The controller pbt cannot be built", problems)
        self.population, self.share, self.resample, self.generations = population, share, resample, generations
        self._first = Inner(SobolController(), _BY)

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        if not snapshot.goals.single:
            raise InputError("The controller 'pbt' has one objective only.", fix="Name one weighted sum instead.")
        ended, pending = _generations(snapshot.history), _generations(snapshot.pending)
        generation = max([0, *ended, *pending])
        here = [*ended.get(generation, []), *pending.get(generation, [])]
        found: list[Recommendation] = []
        if generation == 0:
            found = self._founders(snapshot, here, count)
        elif generation < self.generations:
            found = self._children(snapshot, ended.get(generation - 1, []), here, generation, count)
        if found or pending or not here or generation + 1 >= self.generations:
            return found
        return self._children(snapshot, ended[generation], [], generation + 1, count)

    def _founders(self, snapshot: Snapshot, here: Sequence[Observation], count: int) -> list[Recommendation]:
        members = _missing(here, self.population)[: max(0, count)]
        found = self._first.recommend(snapshot, len(members))
        return [
            self._first.wrap(point, generation=0, member=member, parent=None)
            for member, point in zip(members, found, strict=False)  # there may be fewer points left
        ]

    def _children(
        self,
        snapshot: Snapshot,
        parents: Sequence[Observation],
        here: Sequence[Observation],
        generation: int,
        count: int,
    ) -> list[Recommendation]:
        ranked = sorted(parents, key=lambda one: _rank(one, snapshot))
        by_member = dict(enumerate(sorted(parents, key=lambda one: int(one.origin["member"]))))
        return [
            self._child(snapshot, ranked, by_member[member], generation, member)
            for member in _missing(here, len(parents))[: max(0, count)]
        ]

    def _child(
        self, snapshot: Snapshot, ranked: Sequence[Observation], own: Observation, generation: int, member: int
    ) -> Recommendation:
        rng = np.random.default_rng([snapshot.seed, generation, member])
        few = max(1, round(self.share * len(ranked)))
        best = [one for one in ranked[:few] if one.loss is not None]
        parent: Observation | None = own
        parameters = own.parameters
        if own.loss is None or (own in ranked[-few:] and own not in best):
            parent = best[int(rng.integers(len(best)))] if best else None
            resample = self.resample if parent else 1.0  # where all failed, there is nothing worth going on from
            start = parent.parameters if parent else own.parameters
            parameters = perturbed(snapshot.space, start, rng, resample=resample, keep=tuple(snapshot.fixed))
        origin: dict[str, Any] = {"by": _BY, "generation": generation, "member": member}
        origin["parent"] = parent.number if parent else None
        return Recommendation(parameters=dict(parameters), origin=origin)


def _missing(here: Sequence[Observation], size: int) -> list[int]:
    issued = {one.origin["member"] for one in here}
    return [member for member in range(size) if member not in issued]


def _generations(observations: Iterable[Observation]) -> dict[int, list[Observation]]:
    """Our own trials by generation."""
    found: dict[int, list[Observation]] = {}
    for one in observations:
        generation, member = one.origin.get("generation"), one.origin.get("member")
        if one.origin.get("by") == _BY and type(generation) is int and type(member) is int:
            found.setdefault(generation, []).append(one)
    return found


def _rank(observation: Observation, snapshot: Snapshot) -> tuple[bool, bool, float, int]:
    """Those that have a loss first, of them those that keep all limits, then by loss."""
    loss = observation.loss
    kept = not snapshot.goals.constraints or snapshot.goals.keeps_limits(observation.metrics, snapshot.baseline)
    return loss is None, not kept, math.inf if loss is None else loss, observation.number


def _problems(population: object, share: object, resample: object, generations: object) -> list[str]:
    problems = [
        f"{name} must be a whole number of at least {least}, not {value!r}"
        for name, value, least in (("population", population, 2), ("generations", generations, 1))
        if isinstance(value, bool) or not isinstance(value, int) or value < least
    ]
    for name, value, most in (("share", share, 0.5), ("resample", resample, 1.0)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
            problems.append(f"{name} must be a number from 0 to {most:g}, not {value!r}")
    return problems
