"""Decides what an outcome means for a trial: its status, its metrics, its loss. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from meristem.errors import did_you_mean
from meristem.objective import Goals
from meristem.spool import LONGEST_NAME, LastValues, read_value
from meristem.statuses import TrialStatus
from meristem.study.protocols import Outcome, OutcomeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a trial.

    Attributes:
        loss: Of the first objective; None unless all objectives are there and finite.
        missing: Metrics of objectives and limits that the trial did not give, though it gave others.
    """

    status: TrialStatus
    metrics: Mapping[str, float] = field(default_factory=dict)
    sems: Mapping[str, float] = field(default_factory=dict)
    score: Any = None
    loss: float | None = None
    error: str | None = None
    traceback: str | None = None
    missing: tuple[str, ...] = ()


def judge(outcome: Outcome, goals: Goals, reported: LastValues) -> Verdict:
    """The verdict on `outcome`.

    Args:
        reported: What the trial reported; what the score says counts more.
    """
    if outcome.status == OutcomeStatus.FAILED:
        return Verdict(
            status=TrialStatus.FAILED,
            metrics=dict(reported.values),
            sems=dict(reported.sems),
            error=outcome.error or "failed without saying why",
            traceback=outcome.traceback,
        )
    if outcome.status == OutcomeStatus.ABANDONED:
        return Verdict(status=TrialStatus.ABANDONED, error=outcome.error or "given up")
    read = read_score(outcome.score, goals)
    metrics = {**reported.values, **read.metrics}
    sems = {n: sem for n, sem in {**reported.sems, **read.sems}.items() if n not in read.metrics or n in read.sems}
    losses = goals.losses(metrics)
    found = Verdict(
        status=TrialStatus.COMPLETED,
        metrics=metrics,
        sems=sems,
        score=_kept_score(outcome.score),
        loss=losses[0] if losses else None,
    )
    if outcome.status == OutcomeStatus.STOPPED:
        return replace(found, status=TrialStatus.STOPPED, error=outcome.error)
    if read.problem or losses is None:
        missing = tuple(n for o in goals.objectives for n in o.terms if n not in metrics)
        error = read.problem or _why_no_loss(goals, metrics, missing, outcome.score)
        misnamed = missing if metrics and not read.problem else ()
        return replace(found, status=TrialStatus.FAILED, error=error, loss=None, missing=misnamed)
    return replace(found, missing=tuple(n for limit in goals.constraints for n in limit.terms if n not in metrics))


def why_missing(verdict: Verdict, goals: Goals) -> str:
    """What is wrong with a study whose trials lack what `verdict` lacks."""
    if verdict.error:
        return verdict.error
    limit = next(str(limit) for limit in goals.constraints if verdict.missing[0] in limit.terms)
    given = ", ".join(map(repr, list(verdict.metrics)[:10]))
    return f"the limit {limit!r} needs the metric {verdict.missing[0]!r}, but a trial gave {given}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadScore:
    """A score as metrics; `problem` says what of it is none."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    sems: Mapping[str, float] = field(default_factory=dict)
    problem: str | None = None


def read_score(score: Any, goals: Goals) -> ReadScore:
    """Reads a number, a pair (mean, standard error), or a mapping of metrics to either."""
    if score is None:
        return ReadScore()
    if not isinstance(score, Mapping):
        pair = _pair(score)
        first = goals.objectives[0]
        if pair is None or not goals.single or len(first.terms) > 1:
            return ReadScore()
        score = dict.fromkeys(first.terms, score)
    metrics: dict[str, float] = {}
    sems: dict[str, float] = {}
    bad = []
    for name, given in score.items():
        pair = _pair(given)
        if len(str(name)) > LONGEST_NAME:
            bad.append(f"a metric whose name has more than {LONGEST_NAME} characters")
            continue
        if pair is None:
            bad.append(f"{name}={given!r:.60}")
            continue
        metrics[str(name)] = pair[0]
        if pair[1] is not None:
            sems[str(name)] = pair[1]
    problem = f"metrics must be numbers, but it returned {', '.join(bad)}" if bad else None
    return ReadScore(metrics=metrics, sems=sems, problem=problem)


def _pair(given: Any) -> tuple[float, float | None] | None:
    try:
        return read_value(given)
    except ValueError:
        return None


def _why_no_loss(goals: Goals, metrics: Mapping[str, float], missing: tuple[str, ...], score: Any) -> str:
    if not missing:
        bad = next(o for o in goals.objectives if not math.isfinite(o.value(metrics) or 0.0))
        return f"the objective {bad.metric!r} is {bad.value(metrics)}, which no search can use"
    if score is not None and not metrics and not goals.single:
        names = ", ".join(repr(objective.metric) for objective in goals.objectives)
        return f"it returned {score!r:.60}, but the study has several objectives: return a dict with {names}"
    if score is not None and not metrics:
        return f"it returned {score!r:.60} ({type(score).__name__}), not a number or a dict of metrics"
    others = [name for name in metrics if name not in missing]
    got = f"it gave {', '.join(map(repr, others[:10]))}" if others else "it gave no metrics"
    hint = " The names differ: give both the same." if did_you_mean(missing[0], others) else ""
    return f"the objective {missing[0]!r} is missing: {got}.{hint} Return a number, or a dict with {missing[0]!r}."


def _kept_score(score: Any) -> Any:
    # A mapping of metrics is kept as metrics; any other object as JSON, or as what it prints as.
    if score is None or isinstance(score, Mapping):
        return None
    try:
        return json.loads(json.dumps(score))
    except (TypeError, ValueError):
        return repr(score)[:10_000]
