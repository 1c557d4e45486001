"""Runs trials through a runner and metrics: checks that they fit the study, and hands over to its engine."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from meristem.client.adapters import adapt_metric, adapt_runner, can_stop, is_native_metric, is_native_runner
from meristem.errors import InputError, StudyError, TooManyFailures, did_you_mean
from meristem.executors.runner import RunnerExecutor
from meristem.statuses import ENDED, TrialStatus
from meristem.study.plan import Plan
from meristem.study.study import Study

_BAD = (TrialStatus.FAILED, TrialStatus.ABANDONED)


def check_runner(runner: Any) -> Any:
    """Raises InputError where `runner` is not one."""
    if isinstance(runner, type):
        raise InputError(f"The runner is the class {runner.__name__}.", fix=f"Pass an object: {runner.__name__}().")
    polls = "poll_trials" if callable(getattr(runner, "poll_trials", None)) else "poll_trial"
    lacking = [name for name in ("run_trial", polls) if not callable(getattr(runner, name, None))]
    if lacking:
        raise InputError(f"The runner {runner!r:.80} has no {' and no '.join(lacking)}.", fix="Subclass IRunner.")
    try:
        is_native_runner(runner)
    except TypeError as error:
        raise InputError(
            f"{type(runner).__name__}.run_trial{inspect.signature(runner.run_trial)} cannot be called: {error}.",
            fix="Write run_trial(self, trial_index, parameterization), or as in meristem.Runner.",
        ) from error
    return runner


def check_metrics(metrics: Any) -> dict[str, Any]:
    """The metrics by name. Raises InputError where one is none, or a name is there twice."""
    if isinstance(metrics, (str, bytes)) or not isinstance(metrics, Sequence):
        raise InputError(f"metrics={metrics!r:.80} is no list.", fix="Write configure_metrics(metrics=[metric]).")
    problems = []
    found: dict[str, Any] = {}
    for metric in metrics:
        name = getattr(metric, "name", None)
        if isinstance(metric, type):
            problems.append(f"{metric.__name__} is a class: pass an object, {metric.__name__}(name='loss')")
        elif not isinstance(name, str) or not name or not callable(getattr(metric, "fetch", None)):
            problems.append(f"{metric!r:.80} has no name or no fetch: subclass IMetric and call its __init__(name)")
        elif name in found:
            problems.append(f"there are two metrics {name!r}")
        elif problem := _signature_problem(metric):
            problems.append(problem)
        else:
            found[name] = metric
    if problems:
        raise InputError("The metrics cannot be used", problems)
    return found


def _signature_problem(metric: Any) -> str | None:
    try:
        is_native_metric(metric)
    except TypeError as error:
        return (
            f"{type(metric).__name__}.fetch{inspect.signature(metric.fetch)} cannot be called: {error}; write "
            "fetch(self, trial_index, trial_metadata), or as in meristem.Metric"
        )
    return None


def check_fit(study: Study, runner: Any, metrics: dict[str, Any], *, stops: bool) -> None:
    """Raises StudyError where there is no runner, or no metric for something that the goals name."""
    if runner is None:
        raise StudyError(
            "There is no runner to deploy trials with.",
            fix="Call configure_runner(runner=…) first; or run trials yourself: get_next_trials and complete_trial.",
        )
    if missing := [name for name in study.goals.metrics if name not in metrics]:
        known = ", ".join(map(repr, metrics)) or "none"
        raise StudyError(
            f"No metric fetches {', '.join(map(repr, missing))} (configured: {known}).",
            f"{did_you_mean(missing[0], list(metrics))}Metrics are found by their names.",
            f"Call configure_metrics(metrics=[…]) with an IMetric of name {missing[0]!r}.",
        )
    if stops and not can_stop(runner):
        raise StudyError(
            f"The runner {type(runner).__name__} cannot stop trials early.",
            fix="Give it a stop_trial, or leave set_early_stopping_strategy out.",
        )


def trials_in_all(study: Study, max_trials: Any, total_trials: Any) -> int:
    """How many trials there are to be in the end. Raises InputError unless one of the two is a whole number from 1."""
    if (max_trials is None) == (total_trials is None):
        raise InputError(
            "run_trials() needs either max_trials or total_trials.",
            fix="max_trials=30 runs so many more; total_trials=30 so many in all, also after a resume.",
        )
    name, count = ("max_trials", max_trials) if total_trials is None else ("total_trials", total_trials)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"{name}={count!r:.60} is no whole number from 1.")
    return count if total_trials is not None else count + _ended(study)


def run(
    study: Study, runner: Any, metrics: dict[str, Any], *, trials: int, parallelism: int, failure_rate: float,
    seconds_between_polls: float, seconds_between_launches: float, early_stopping: Any,
) -> None:  # fmt: skip
    """Runs until `trials` have ended.

    Raises:
        TooManyFailures: A larger share of this run's trials than `failure_rate` failed or was abandoned; looked at
            once five have failed, and at the end.
    """
    before = {trial.number for trial in study.trials if trial.status in ENDED}
    executor = RunnerExecutor(
        adapt_runner(runner),
        [adapt_metric(metric) for metric in metrics.values()],
        poll_seconds=seconds_between_polls,
        launch_spacing=seconds_between_launches,
    )
    try:
        study.run(
            executor=executor, trials=trials, parallel=parallelism, max_failure_rate=failure_rate,
            early_stopping=early_stopping,
        )  # fmt: skip
    except TooManyFailures as error:
        error.add_note(_IN_OTHER_WORDS)
        raise
    now = [trial for trial in study.trials if trial.status in ENDED and trial.number not in before]
    bad = [trial for trial in now if trial.status in _BAD]
    if bad and len(bad) > failure_rate * len(now):
        given_up = TooManyFailures(
            study.name,
            f"{len(bad)} of {len(now)} trials failed, more than tolerated_trial_failure_rate={failure_rate:g} allows",
            [f"trial {trial.number}: {trial.error}" for trial in bad[:10]],
        )
        given_up.add_note(_IN_OTHER_WORDS)
        raise given_up


_IN_OTHER_WORDS = (
    "What is called max_failure_rate is run_trials' tolerated_trial_failure_rate; trial 1 is trial_index 0. "
    "The trials that completed are kept."
)


def check_seconds(name: str, seconds: Any) -> float:
    """Raises InputError unless `seconds` is a number from 0."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
        raise InputError(f"{name}={seconds!r:.60} is no number of seconds.")
    return float(seconds)


def check_plan(parallelism: Any, failure_rate: Any) -> None:
    """Raises InputError in the client's words where the engine would in its own."""
    problems = []
    if isinstance(parallelism, bool) or not isinstance(parallelism, int) or parallelism < 1:
        problems.append(f"parallelism={parallelism!r:.60} is not a whole number from 1")
    try:
        Plan(max_failure_rate=failure_rate)
    except InputError:
        problems.append(f"tolerated_trial_failure_rate={failure_rate!r:.60} is not a share between 0 and 1")
    if problems:
        raise InputError("Trials cannot be run like this", problems)


def _ended(study: Study) -> int:
    """Ended trials, without those that were given up, which count for no budget."""
    return sum(trial.status in ENDED and trial.status != TrialStatus.ABANDONED for trial in study.trials)
