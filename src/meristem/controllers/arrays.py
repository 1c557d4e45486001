"""Losses and standard errors of trials, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from meristem.bayesopt.kernel import Array
from meristem.controllers.protocol import Observation, Snapshot

_LARGEST = 1e300


def losses_of(observations: Sequence[Observation]) -> Array:
    """Shape (n, objectives)."""
    return np.array([o.losses or (o.loss,) for o in observations], dtype=float)


def fully_measured(observations: Iterable[Observation], objectives: int) -> list[Observation]:
    """Those of which every objective is known."""
    return [o for o in observations if o.loss is not None and len(o.losses or (o.loss,)) == objectives]


def sems_of(snapshot: Snapshot, observations: Sequence[Observation]) -> Array:
    """Known standard errors of the losses, shape (n, objectives); 0 where none is known."""
    columns = [errors(objective.sem(o.sems) for o in observations) for objective in snapshot.objectives]
    return np.stack(columns, axis=1)


def errors(given: Iterable[float | None]) -> Array:
    """Standard errors as finite numbers, shape (n,); 0 where none is known, or where it is no number."""
    found = np.array([sem or 0.0 for sem in given], dtype=float)
    return np.where(np.isnan(found), 0.0, np.minimum(np.abs(found), _LARGEST))
