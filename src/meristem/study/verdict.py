"""Decides what an outcome means for a trial: its status, its metrics, its loss. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from meristem.errors import did_you_mean
from meristem.objective import Objective
from meristem.spool import Measurement
from meristem.study.protocols import Outcome, OutcomeStatus
from meristem.study.trial import TrialStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a trial."""

    status: TrialStatus
    metrics: Mapping[str, float] = field(default_factory=dict)
    score: Any = None
    loss: float | None = None
    error: str | None = None
    traceback: str | None = None


def judge(outcome: Outcome, objective: Objective, reported: Mapping[str, float]) -> Verdict:
    """The verdict on `outcome`.

    Args:
        reported: The last value that the trial reported of each metric; what the score says counts more.
    """
    if outcome.status == OutcomeStatus.FAILED:
        return Verdict(
            status=TrialStatus.FAILED,
            metrics=dict(reported),
            error=outcome.error or "failed without saying why",
            traceback=outcome.traceback,
        )
    metrics, problem = _metrics(outcome.score, objective)
    metrics = {**reported, **metrics}
    score = _kept_score(outcome.score)
    value = metrics.get(objective.metric)
    loss = objective.loss(value) if value is not None and math.isfinite(value) else None
    if outcome.status == OutcomeStatus.STOPPED:
        return Verdict(status=TrialStatus.STOPPED, metrics=metrics, score=score, loss=loss, error=outcome.error)
    if problem is None and loss is None:
        problem = _why_no_loss(value, objective, metrics)
    if problem:
        return Verdict(status=TrialStatus.FAILED, metrics=metrics, score=score, error=problem)
    return Verdict(status=TrialStatus.COMPLETED, metrics=metrics, score=score, loss=loss)


def last_values(measurements: Sequence[Measurement]) -> dict[str, float]:
    """The last value of each metric: a final one where there is one, else that of the highest step."""
    last: dict[str, tuple[float, float]] = {}
    for m in measurements:
        rank = math.inf if m.step is None else float(m.step)
        if m.metric not in last or rank >= last[m.metric][0]:
            last[m.metric] = (rank, m.value)
    return {metric: value for metric, (_, value) in last.items()}


def _metrics(score: Any, objective: Objective) -> tuple[dict[str, float], str | None]:
    if score is None:
        return {}, None
    if _is_number(score):
        return {objective.metric: float(score)}, None
    if isinstance(score, Mapping):
        numbers = {str(k): float(v) for k, v in score.items() if _is_number(v)}
        bad = [f"{k}={v!r:.60}" for k, v in score.items() if not _is_number(v)]
        return numbers, f"metrics must be numbers, but it returned {', '.join(bad)}" if bad else None
    return {}, None


def _why_no_loss(value: float | None, objective: Objective, metrics: Mapping[str, float]) -> str:
    if value is not None:
        return f"the objective {objective.metric!r} is {value}, which no search can use"
    names = [name for name in metrics if name != objective.metric]
    got = f"it gave {', '.join(map(repr, names[:10]))}" if names else "it gave no metrics"
    return (
        f"the objective {objective.metric!r} is missing: {got}. "
        f"{did_you_mean(objective.metric, names)}Return a number, or a dict with {objective.metric!r}."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _kept_score(score: Any) -> Any:
    # Numbers and metrics are kept as metrics; any other object as JSON, or as what it prints as.
    if score is None or _is_number(score) or isinstance(score, Mapping):
        return None
    try:
        return json.loads(json.dumps(score))
    except (TypeError, ValueError):
        return repr(score)[:10_000]
