"""Shows runners and metrics in Ax's words to the executor of closed loops, which speaks Meristem's.

Trials count from 0 there and from 1 here. Nothing else is decided: errors pass through, for the executor to retry.
Runners and metrics in Meristem's own words are told by their signatures, and pass as they are.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from meristem.client.protocols.metric import IMetric
from meristem.client.protocols.runner import IRunner
from meristem.executors.runner_answers import takes_key
from meristem.space import Parameters

log = logging.getLogger("meristem.client")

Metadata = Mapping[str, Any]

_ALIKE = (
    "Trials %d and %d were launched with the same metadata, %.200r. A metric that finds data by it alone reads one "
    "trial's data for the other: name things by trial_index, or give run_trials(…, seconds_between_launches=1)."
)


class MetricAdapter:
    """An IMetric as the executor asks it."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self.name: str = metric.name
        self.optional = bool(getattr(metric, "optional", False))

    def fetch(self, number: int, metadata: Metadata) -> tuple[float, Any]:
        found: tuple[float, Any] = self._metric.fetch(trial_index=number - 1, trial_metadata=metadata)
        return found


class RunnerAdapter:
    """An IRunner as the executor asks it; what the runner cannot do, the adapter has no method for."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._launched: dict[int, int] = {}
        self._warned, self._noting = False, threading.Lock()  # trials are launched from several threads
        if can_stop(runner):
            self.stop_trial = self._stop_trial
        if callable(getattr(runner, "find_trial", None)):
            self.find_trial = runner.find_trial
        if callable(getattr(runner, "poll_trials", None)):
            self.poll_trials = self._poll_trials

    def run_trial(self, number: int, parameters: Parameters) -> Metadata:
        return self._launch(number, parameters)

    def poll_trial(self, number: int, metadata: Metadata) -> Any:
        return self._runner.poll_trial(trial_index=number - 1, trial_metadata=metadata)

    def _launch(self, number: int, parameters: Parameters, **key: str) -> Metadata:
        index = number - 1
        metadata: Metadata = self._runner.run_trial(trial_index=index, parameterization=dict(parameters), **key)
        with self._noting, suppress(Exception):  # what its text raises is no failed launch
            other = self._launched.setdefault(hash(repr(metadata)), index)
            if other != index and metadata and not self._warned:
                self._warned = True
                log.warning(_ALIKE, other, index, metadata)
        return metadata

    def _stop_trial(self, number: int, metadata: Metadata) -> None:
        self._runner.stop_trial(trial_index=number - 1, trial_metadata=metadata)

    def _poll_trials(self, metadata_by_number: Mapping[int, Metadata]) -> dict[int, Any]:
        asked = {number - 1: metadata for number, metadata in metadata_by_number.items()}
        return {index + 1: status for index, status in self._runner.poll_trials(asked).items()}


class KeyedRunnerAdapter(RunnerAdapter):
    """A runner that takes a key under which a launch is found again."""

    def run_trial(self, number: int, parameters: Parameters, key: str = "") -> Metadata:
        return self._launch(number, parameters, key=key)


def adapt_runner(runner: Any) -> Any:
    """`runner` as the executor asks it."""
    if is_native_runner(runner):
        return runner
    return KeyedRunnerAdapter(runner) if takes_key(runner.run_trial) else RunnerAdapter(runner)


def adapt_metric(metric: Any) -> Any:
    """`metric` as the executor asks it."""
    return metric if is_native_metric(metric) else MetricAdapter(metric)


def is_native_runner(runner: Any) -> bool:
    """Whether `run_trial` takes what `meristem.Runner` says, and not what IRunner says.

    Raises:
        TypeError: It takes neither.
    """
    key = {"key": ""} if takes_key(runner.run_trial) else {}
    return _is_native(runner.run_trial, {"trial_index": 0, "parameterization": {}, **key}, key)


def is_native_metric(metric: Any) -> bool:
    """Whether `fetch` takes what `meristem.Metric` says, and not what IMetric says. Raises as `is_native_runner`."""
    return _is_native(metric.fetch, {"trial_index": 0, "trial_metadata": {}}, {})


def _is_native(method: Callable[..., Any], in_axs_words: Mapping[str, Any], further: Mapping[str, Any]) -> bool:
    try:
        signature = inspect.signature(method)
    except ValueError:  # of some functions that are not written in Python
        return False
    try:
        signature.bind(**in_axs_words)
    except TypeError:
        if isinstance(getattr(method, "__self__", None), (IRunner, IMetric)):  # other words there are a slip
            raise
        signature.bind(1, {}, **further)
        return True
    return False


def can_stop(runner: Any) -> bool:
    """Whether `runner` has a `stop_trial` of its own."""
    found = getattr(type(runner), "stop_trial", None) or getattr(runner, "stop_trial", None)
    return callable(found) and found is not IRunner.stop_trial
