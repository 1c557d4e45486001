"""Tries what a Gaussian process, fitted to the losses so far, expects to improve most."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from meristem.controllers.arrays import fully_measured
from meristem.controllers.one_thread import one_thread, pools
from meristem.controllers.protocol import Recommendation, Snapshot
from meristem.controllers.random import RandomController
from meristem.controllers.sobol import SobolController
from meristem.controllers.taken import Taken
from meristem.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from meristem.controllers.belief import Belief
    from meristem.controllers.pareto_surrogate import ParetoSurrogate
    from meristem.controllers.surrogate import Surrogate

_ALONE = threading.RLock()  # one decision at a time: what is remembered between them is changed by each
_TRANSFORMS = ("auto", "straight", "bent", "power", "log")
_KERNELS = ("auto", "product")
_FEWEST = 5
_ENOUGH = 5  # losses of an earlier study that make a Sobol start needless


class GpController:
    """Sobol points until `initial` trials have a loss, then Gaussian process and log expected improvement.

    With limits on metrics, the improvement is weighted by the probability of keeping them; while no trial
    keeps them, the search is for one that does. Trials of earlier studies count as far as they turn out to
    resemble this one, and take the place of the Sobol points.

    Args:
        initial: How many losses to gather first; by default 5, and with integers, limits or several objectives up to
            10, twice the number of parameters; up to 14 with unordered choices, each value of which should be seen.
        transform: How losses are put on a scale: "auto" chooses by evidence among "straight" (as they are),
            "bent" (bad ones drawn in), "power" and "log" (good ones stretched).
        kernel: "auto" for a product over parameters and a sum over them, in learned shares; or "product".
    """

    def __init__(self, initial: int | None = None, transform: str = "auto", kernel: str = "auto") -> None:
        if initial is not None and (isinstance(initial, bool) or not isinstance(initial, int) or initial < 1):
            raise InputError(
                f"The number of initial trials must be a whole number of at least 1, not {initial!r}.",
                fix="Leave it out to have it chosen by the number of parameters.",
            )
        self.initial = initial
        self.transform = _one_of("transform", transform, _TRANSFORMS)
        self.kernel = _one_of("kernel", kernel, _KERNELS)
        self._sobol = SobolController()
        self._random = RandomController()
        self._surrogate: Surrogate | ParetoSurrogate | None = None

    def recommend(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        if count < 1:
            return []
        dimensions = len(snapshot.space.dimensions)
        wanted = self.initial or (1 if _teach(snapshot) else _initial(snapshot))
        if dimensions == 0 or not _has_losses(snapshot, wanted):
            return self._sobol.recommend(snapshot, count)
        try:
            with _ALONE, one_thread():
                return self._propose(snapshot, count)
        except (np.linalg.LinAlgError, FloatingPointError, MemoryError) as error:
            fallback = {"by": "gp", "fallback": f"sobol: {error}"}
            return [
                Recommendation(parameters=r.parameters, origin=fallback) for r in self._sobol.recommend(snapshot, count)
            ]

    def warm_up(self) -> None:
        """Loads what takes long to load, before it is waited for."""
        import meristem.controllers.pareto_surrogate
        import meristem.controllers.surrogate  # noqa: F401

        pools()

    def _propose(self, snapshot: Snapshot, count: int) -> list[Recommendation]:
        taken = Taken(snapshot)
        belief: Belief = self._surrogate_of(snapshot).believe(snapshot)
        recommended: list[Recommendation] = []
        for place in range(count):
            origin = dict(belief.origin)
            point = belief.most_promising(taken, snapshot.rng(place))
            if point is None:
                point = self._random.draw(snapshot, taken, place)
                origin["fallback"] = "random"
            if point is None:
                break
            taken.add(point)
            recommended.append(Recommendation(parameters=point, origin=origin))
            if len(recommended) < count:
                belief = belief.after([point])
        return recommended

    def _surrogate_of(self, snapshot: Snapshot) -> Surrogate | ParetoSurrogate:
        from meristem.controllers.pareto_surrogate import ParetoSurrogate  # imports scipy.optimize, which takes long
        from meristem.controllers.surrogate import Surrogate

        kind, additive = Surrogate if snapshot.goals.single else ParetoSurrogate, self.kernel == "auto"
        if not isinstance(self._surrogate, kind) or self._surrogate.space is not snapshot.space:
            if snapshot.goals.single:
                self._surrogate = Surrogate(snapshot.space, transform=self.transform, additive=additive)
            else:
                self._surrogate = ParetoSurrogate(snapshot.space, additive=additive)
        return self._surrogate


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InputError(f"The {name} {value!r} is not known. {did_you_mean(str(value), allowed)}".rstrip())
    return value


def _initial(snapshot: Snapshot) -> int:
    """How many losses to begin with. With too few, integers, limits and choices lead astray (measured)."""
    space = snapshot.space
    parameters = [space.parameters[name] for name in space.dimensions]
    if snapshot.goals.single and not snapshot.goals.constraints and all(p.cardinality is None for p in parameters):
        return _FEWEST
    most = 10 if all(parameter.ordinal for parameter in parameters) else 14
    return min(max(_FEWEST, 2 * len(parameters)), most)


def _teach(snapshot: Snapshot) -> bool:
    """Whether earlier studies tell enough to begin with."""
    count = len(snapshot.objectives)
    return any(len(fully_measured(study, count)) >= _ENOUGH for study in snapshot.earlier)


def _has_losses(snapshot: Snapshot, wanted: int) -> bool:
    found = 0
    for observation in snapshot.history:
        found += observation.loss is not None
        if found >= wanted:
            return True
    return False
