"""Which model of the outcomes to believe: the transform and hyperparameters with the most evidence.

Transforms are compared by the evidence of the losses themselves: the Jacobian of the transform counts
(Snelson et al., "Warped Gaussian Processes", NeurIPS 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meristem.bayesopt.fitting import Fitter
from meristem.bayesopt.kernel import Array, Hyperparameters, Kinds, Points
from meristem.bayesopt.outcomes import BENT, STRAIGHT, TRANSFORMS, Transform, likely_normal

_ROUNDS = 3
_NOISY = 0.02  # share of the signal; with more, curves that stretch good losses mostly stretch luck


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """How losses become outcomes, and the hyperparameters for these."""

    transform: Transform
    hyper: Hyperparameters


def choose_model(
    points: Points,
    losses: Array,
    kinds: Kinds,
    sems: Array | None = None,
    transforms: Sequence[Transform] = TRANSFORMS,
    additive: bool = True,
) -> Model:
    """The transform under which a Gaussian process explains `losses` best, and its hyperparameters.

    Goes back and forth: hyperparameters for a transform, the transform for these hyperparameters.

    Args:
        losses: Finite, shape (n,).
        sems: Known standard errors of the losses, shape (n,), 0 where unknown; small ones are assumed.
        transforms: To choose from, at least one; the earlier wins where two are equal.
        additive: Whether effects of single columns may add up.
    """
    fitter = Fitter(points, kinds, additive=additive)
    model = _most_evident(fitter, losses, np.zeros(len(losses)) if sems is None else sems, transforms)
    calm = [transform for transform in transforms if transform in (BENT, STRAIGHT)]
    if calm and model.transform not in calm and model.hyper.noise > _NOISY * model.hyper.signal:
        return _most_evident(fitter, losses, np.zeros(len(losses)) if sems is None else sems, calm)
    return model


def _most_evident(fitter: Fitter, losses: Array, sems: Array, transforms: Sequence[Transform]) -> Model:
    tried = [transform.apply(losses) for transform in transforms]
    errors = [t.variances(sems) for t in tried]
    first = likely_normal(losses)
    current = next((place for place, t in enumerate(transforms) if t is first), 0)
    hyper = None
    for _ in range(_ROUNDS):
        hyper = fitter.fit(tried[current].values, errors[current], hyper)
        evidence = [
            fitter.log_evidence(t.values, e, hyper) + t.log_jacobian for t, e in zip(tried, errors, strict=True)
        ]
        best = int(np.argmax(evidence))
        if best == current:
            break
        current = best
    else:
        hyper = fitter.fit(tried[current].values, errors[current], hyper)
    return Model(transform=transforms[current], hyper=hyper)
