"""Which parameters make trials good, from the trials alone: PED-ANOVA. Pure; needs no model.

A parameter is important when its values among the best trials are distributed differently from its values among
all (or the better part of all): Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter
Importance in Arbitrary Subspaces" (IJCAI 2023), algorithm 1. The distributions are estimated column by column.
Two things are added. What pure chance would give for as many trials is taken off, so that a parameter without
influence gets about 0. And a conditional parameter is judged among the trials in which it is active, and counts
as much as it is active among the best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_BINS = 64
_LEAST_BEST = 10  # fewer say little of a distribution
_CHANCES = 64
_ROUNDING = 1e-9
_PRIOR = 1.0  # how many trials' worth of "anything is possible" is added to each distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns are.

    Attributes:
        categorical: Shape (d,); columns whose values are equal or different, nothing between.
        sizes: Shape (d,); how many values each has, evenly placed in the unit interval; 0: infinitely many.
    """

    categorical: Mask
    sizes: NDArray[np.int64]


def ped_anova(
    unit: Array,
    losses: Array,
    *,
    active: Mask | None = None,
    columns: Columns | None = None,
    top: float = 0.1,
    region: float = 1.0,
    against_space: bool = False,
    seed: int = 0,
) -> Array:
    """The importance of each parameter for being among the best.

    Args:
        unit: Points in the unit cube, shape (n, d).
        losses: Shape (n,), lower is better; what is not finite counts as worst of all.
        active: Where each parameter is active, shape (n, d); by default everywhere.
        columns: By default all are numeric with infinitely many values.
        top: The part of the trials that counts as the best, above 0; at least ten trials are taken, but never
            more than half.
        region: The part with which they are compared, above `top`: 1 for all, less to ask what makes the best
            out of the good.
        against_space: Compares the best with an even distribution over the space instead of with the other
            trials. For trials that an optimizer chose: it has long stopped trying bad values of what matters
            most, so that the best no longer differ from the others in it.
        seed: Of the draws that measure what chance gives.

    Returns:
        Shape (d,), at least 0, with sum 1; all 0 where nothing distinguishes the best.

    Raises:
        ValueError: `top` and `region` are not 0 < top < region <= 1.
    """
    if not 0.0 < top < region <= 1.0:
        raise ValueError(f"top and region must be 0 < top < region <= 1, not {top} and {region}.")
    count, dimensions = unit.shape
    active = np.ones(unit.shape, dtype=bool) if active is None else active
    if columns is None:
        columns = Columns(categorical=np.zeros(dimensions, dtype=bool), sizes=np.zeros(dimensions, dtype=np.int64))
    ranked = _ranked(losses)
    compared = ranked[: max(min(count, 2 * _LEAST_BEST), math.ceil(region * count))]
    best = min(max(_LEAST_BEST, math.ceil(top * count)), len(compared) // 2)
    if best < 1 or np.ptp(_bounded(losses)[compared]) == 0:
        return np.zeros(dimensions)
    rng = np.random.default_rng(seed)
    judge = _beyond_space if against_space else _beyond_others
    found = np.zeros(dimensions)
    for d in range(dimensions):
        inside = active[compared, d]
        among_best = int(inside[:best].sum())
        if among_best >= 2 and (against_space or among_best < inside.sum()):
            values, kind = unit[compared, d][inside], (bool(columns.categorical[d]), int(columns.sizes[d]))
            found[d] = judge(values, among_best, kind, rng) * among_best / best
    total = found.sum()
    return found / total if total > 0 else np.zeros(dimensions)


def _beyond_others(values: Array, best: int, kind: tuple[bool, int], rng: np.random.Generator) -> float:
    """By how much more the first `best` of `values` differ from all than as many drawn by chance."""
    weights = _weights(values, kind, _width(float(np.std(values)), len(values)))
    whole = _density(weights)
    drawn = (weights[rng.choice(len(values), best, replace=False)] for _ in range(_CHANCES))
    return _excess(_divergence(_density(weights[:best]), whole), [_divergence(_density(w), whole) for w in drawn])


def _beyond_space(values: Array, best: int, kind: tuple[bool, int], rng: np.random.Generator) -> float:
    """By how much more the first `best` of `values` differ from an even distribution than evenly drawn ones."""

    def differs(found: Array) -> float:
        weights = _weights(found, kind, _width(float(np.std(found)), best))
        return _divergence(_density(weights), np.full(weights.shape[1], 1.0 / weights.shape[1]))

    return _excess(differs(values[:best]), [differs(_places(rng.random(best), kind[1])) for _ in range(_CHANCES)])


def _excess(measured: float, chances: list[float]) -> float:
    above = measured - float(np.mean(chances))
    return above if above > _ROUNDING * (1.0 + measured) else 0.0


def _places(unit: Array, size: int) -> Array:
    return (np.minimum(np.floor(unit * size), size - 1) + 0.5) / size if size else unit


def _width(std: float, count: int) -> float:
    return float(std * count**-0.2)  # Scott's rule


def _weights(values: Array, kind: tuple[bool, int], width: float) -> Array:
    """How each trial's value spreads over the bins, shape (n, bins); rows sum to 1."""
    categorical, size = kind
    bins = size if 0 < size <= _BINS or (categorical and size) else _BINS
    if categorical:
        places = np.minimum((values * bins).astype(int), bins - 1)
        return np.asarray(np.eye(bins)[places], dtype=float)
    centres = (np.arange(bins) + 0.5) / bins
    # Mirrored at the ends of the interval, never narrower than a bin.
    apart = np.stack([centres[None, :] - image[:, None] for image in (values, -values, 2.0 - values)])
    spread = np.exp(-0.5 * (apart / max(width, 1.0 / bins)) ** 2).sum(axis=0)
    return np.asarray(spread / spread.sum(axis=1, keepdims=True), dtype=float)


def _density(weights: Array) -> Array:
    """Shares of the bins, with a little of the even distribution mixed in."""
    bins = weights.shape[1]
    return np.asarray((weights.sum(axis=0) + _PRIOR / bins) / (len(weights) + _PRIOR), dtype=float)


def _divergence(found: Array, whole: Array) -> float:
    """Pearson's divergence of `found` from `whole`."""
    return float(np.sum((found / whole - 1.0) ** 2 * whole))


def _bounded(losses: Array) -> Array:
    finite = losses[np.isfinite(losses)]
    worst = float(finite.max()) if len(finite) else 0.0
    return np.where(np.isfinite(losses), losses, np.nextafter(worst, np.inf))


def _ranked(losses: Array) -> NDArray[np.intp]:
    return np.argsort(_bounded(losses), kind="stable")
