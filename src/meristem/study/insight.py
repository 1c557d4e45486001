"""What the trials of a study tell about its space (see `meristem.controllers.insight`)."""

from __future__ import annotations

import math

from meristem.controllers.insight import Insight
from meristem.controllers.protocol import Snapshot
from meristem.errors import InputError, did_you_mean
from meristem.objective import Objective


def insight_of(snapshot: Snapshot, objective: Objective) -> Insight:
    """What the completed trials tell about `objective`, which may be any metric or weighted sum of metrics.

    Raises:
        InputError: Fewer than five trials have a finite value of it.
    """
    completed = [o for o in snapshot.history if o.status == "completed"]
    found = [(o, objective.value(o.metrics)) for o in completed]
    known = [(o, value) for o, value in found if value is not None and math.isfinite(value)]
    given = {name for o in completed for name in o.metrics}
    if given and not known:
        near = did_you_mean(objective.metric, sorted(given))
        raise InputError(f"No trial has a value of {objective.metric!r}. {near}Known: {', '.join(sorted(given))}.")
    return Insight(
        snapshot.space,
        [o.parameters for o, _ in known],
        [value for _, value in known],
        sems=[objective.sem(o.sems) or 0.0 for o, _ in known],
        allowed=[snapshot.goals.keeps_limits(o.metrics, snapshot.baseline) for o, _ in known],
        maximize=objective.maximize,
        seed=snapshot.seed,
    )
