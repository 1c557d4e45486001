"""What a trial's row in the store is to others: a Trial for users, an Observation for controllers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from meristem.controllers.protocol import Observation
from meristem.errors import ParameterError
from meristem.objective import Goals
from meristem.space import Space
from meristem.statuses import TrialStatus
from meristem.store.rows import TrialRow
from meristem.study.folders import trial_folder
from meristem.trial import Trial


def trial_of(row: TrialRow, goals: Goals, *, study: str = "", root: Path | None = None) -> Trial:
    """The trial that `row` stands for; `root` is the study's folder."""
    values = goals.values(row.metrics) if row.loss is not None else {}
    return Trial(
        study=study,
        number=row.number,
        parameters=row.parameters,
        status=TrialStatus(row.status),
        attempt=row.attempt,
        value=next(iter(values.values())) if goals.single and values else None,
        values=values,
        metrics=row.metrics,
        sems=row.sems,
        score=row.score,
        error=row.error,
        traceback=row.traceback,
        origin=row.origin,
        slot=row.slot,
        started_at=row.started_at,
        ended_at=row.ended_at,
        place=_place(row, root),
    )


def _place(row: TrialRow, root: Path | None) -> Path | None:
    """Where the trial's files are: as its deployment says, else the folder of the attempt."""
    named = (row.deployment or {}).get("folder")
    if isinstance(named, str) and named:
        # What is relative is seen from where the folders of all studies are.
        return Path(named) if root is None else root.parent.parent / named
    return trial_folder(root, row.number, row.attempt) if root else None


def observation_anew(row: TrialRow, goals: Goals, space: Space) -> Observation | None:
    """A trial of another study as one of this: parameters that it lacks are at their defaults or in the middle.

    None where it has no value of every objective, or does not lie in `space`.
    """
    losses = goals.losses(row.metrics)
    if losses is None:
        return None
    shared = {name: value for name, value in row.parameters.items() if name in space.parameters}
    filled = space.complete(shared, middle=True)
    try:
        parameters = {name: filled[name] for name in space.active(filled)}
        space.check(parameters)
    except (ParameterError, KeyError):
        return None
    return observation_of(replace(row, loss=losses[0], parameters=parameters), goals)


def observation_of(row: TrialRow, goals: Goals) -> Observation:
    """The trial as controllers see it."""
    losses = () if goals.single or row.loss is None else goals.losses(row.metrics) or ()
    return Observation(
        number=row.number,
        parameters=row.parameters,
        status=row.status,
        loss=row.loss,
        losses=losses,
        metrics=row.metrics,
        sems=row.sems,
        score=row.metrics or None if row.score is None else row.score,
        origin=row.origin,
    )
