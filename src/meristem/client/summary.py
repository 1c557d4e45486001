"""The trials of a study as Ax tabulates them: one row a trial, empty columns left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from meristem.client.indexed import arm_of, index_of
from meristem.client.protocols.runner import TrialStatus
from meristem.errors import InputError, did_you_mean
from meristem.spool import LastValues
from meristem.statuses import ENDED
from meristem.study.study import Study
from meristem.trial import Trial

if TYPE_CHECKING:
    import pandas


def summary_of(
    study: Study, indices: Iterable[int] | None = None, statuses: Sequence[str] | None = None
) -> pandas.DataFrame:
    """The table.

    Raises:
        InputError: There is no such trial or status, or pandas is not installed.
    """
    try:
        import pandas  # optional, and slow to import
    except ImportError as error:
        raise InputError(
            "summarize() gives a DataFrame and needs pandas.", fix="pip install 'meristem[pandas]'"
        ) from error
    trials = study.trials
    if indices is not None:
        asked = set(indices)
        if unknown := sorted(asked - {index_of(trial) for trial in trials}):
            raise InputError(f"There is no trial {unknown[0]}.", fix=f"There are {len(trials)}, from 0.")
        trials = [trial for trial in trials if index_of(trial) in asked]
    if statuses is not None:
        wanted = set(map(_status, statuses))
        trials = [trial for trial in trials if TrialStatus.of(trial.status) in wanted]
    rows = [_row(study, trial) for trial in trials]
    columns = {name: None for row in rows for name in row}
    kept = [name for name in _ordered(columns, study) if any(row.get(name) is not None for row in rows)]
    return pandas.DataFrame([{name: row.get(name) for name in kept} for row in rows], columns=kept)


def _row(study: Study, trial: Trial) -> dict[str, Any]:
    metrics = trial.metrics
    if trial.status not in ENDED:
        metrics = LastValues(study.measurements(trial.number)).values
    clash = set(metrics) & set(study.space.names)
    return {
        "trial_index": index_of(trial),
        "arm_name": arm_of(trial),
        "trial_status": TrialStatus.of(trial.status).name,
        "failure_reason": trial.error,
        "generation_node": _generated_by(trial),
        **metrics,
        **{f"parameter {name}" if name in clash else name: value for name, value in trial.parameters.items()},
    }


def _generated_by(trial: Trial) -> str | None:
    if trial.origin.get("by") == "user":
        return None
    return str(trial.origin["by"]) if "by" in trial.origin else None


def _ordered(columns: Iterable[str], study: Study) -> list[str]:
    """Facts, then goals' metrics, others, parameters in the order of the space."""
    head = ["trial_index", "arm_name", "trial_status", "failure_reason", "generation_node", *study.goals.metrics]
    tail = [name for name in study.space.names if name not in head]
    tail += [f"parameter {name}" for name in study.space.names]
    present = set(columns)
    first = [name for name in head if name in present]
    last = [name for name in tail if name in present]
    return [*first, *(name for name in columns if name not in {*first, *last}), *last]


def _status(name: Any) -> TrialStatus:
    text = str(getattr(name, "name", name)).upper()
    if text in TrialStatus.__members__:
        return TrialStatus[text]
    known = [status.name.lower() for status in TrialStatus]
    raise InputError(
        f"There is no trial status {name!r:.60}.", fix=f"{did_you_mean(text.lower(), known)}Known: {', '.join(known)}."
    )
