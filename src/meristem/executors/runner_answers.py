"""Reads what a user's runner and metrics answer. Pure."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from meristem.errors import InputError
from meristem.executors.runner_protocol import Metadata
from meristem.spool import read_step
from meristem.spool import read_value as read_pair
from meristem.statuses import TrialStatus

_OTHER_NAMES = {  # that other systems give a status
    "candidate": TrialStatus.WAITING, "staged": TrialStatus.WAITING, "early_stopped": TrialStatus.STOPPED,
    "pending": TrialStatus.WAITING, "dispatched": TrialStatus.WAITING, "stale": TrialStatus.ABANDONED,
    "succeeded": TrialStatus.COMPLETED, "cancelled": TrialStatus.STOPPED,
}  # fmt: skip


def read_status(given: Any) -> tuple[TrialStatus, str | None]:
    """The status that a runner's answer stands for, and its reason: a word, a member of an enumeration, or a pair.

    Raises:
        InputError: It stands for none.
    """
    reason = None
    if isinstance(given, tuple) and len(given) == 2:
        given, reason = given[0], None if given[1] is None else str(given[1])
    name = str(getattr(given, "name", given)).lower()
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name], reason
    try:
        return TrialStatus(name), reason
    except ValueError:
        known = ", ".join(TrialStatus)
        raise InputError(f"The runner answered {given!r:.80}, which is no status ({known}).") from None


def read_value(given: Any) -> tuple[int | None, float, float | None]:
    """Step, value and standard error of what a metric's fetch gave; of a step with a fraction the whole part.

    Raises:
        InputError: It is no pair of a step and a value.
    """
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise InputError(f"fetch() gave {given!r:.80}.", fix="Return (step, value), or (step, (mean, standard error)).")
    try:
        step = None if given[0] is None else read_step(given[0] // 1)
        return step, *read_pair(given[1])
    except (TypeError, ValueError) as error:
        raise InputError(f"fetch() gave {given!r:.80}: {error}.") from None


def read_metadata(given: Any) -> Metadata:
    """What a launch returned, as it will be after a restart.

    Raises:
        InputError: By this the trial cannot be found again.
    """
    if given is None:
        return {}
    try:
        return dict(json.loads(json.dumps(dict(given))))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"was launched, but run_trial returned {given!r:.80}, by which it cannot be found again: "
            "it must be a mapping of JSON values"
        ) from error


def takes_key(function: Callable[..., Any]) -> bool:
    """Whether a `run_trial` is to be given the key of its trial."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "key" or p.kind is p.VAR_KEYWORD for p in parameters)
