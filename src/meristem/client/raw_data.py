"""Reads what users hand in as the data of a trial. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from meristem.errors import InputError

Data = dict[str, float | tuple[float, float]]


def read_data(raw_data: Any, metrics: tuple[str, ...]) -> Data:
    """By metric: a number, or a pair (mean, standard error); NaN is a number here.

    Args:
        metrics: Those that the goals name, for the error.

    Raises:
        InputError: It is no such mapping, or empty.
    """
    example = "{" + ", ".join(f"{name!r}: 0.3" for name in metrics) + "}"
    how = f"Write raw_data={example}; a value may be a pair (mean, standard error)."
    if not isinstance(raw_data, Mapping):
        raise InputError(f"raw_data={raw_data!r:.80} is no mapping of metrics to values.", fix=how)
    if not raw_data:
        raise InputError("raw_data is empty.", fix=f"{how} For a trial without a result there is mark_trial_failed.")
    data: Data = {}
    problems = []
    for name, given in raw_data.items():
        found = _read(given)
        if not isinstance(name, str) or not name:
            problems.append(f"{name!r:.60} is no name of a metric")
        elif found is None:
            problems.append(f"{name}: {given!r:.60} is neither a number nor a pair (mean, standard error from 0)")
        else:
            data[name] = found
    if problems:
        raise InputError("raw_data cannot be used", problems, fix=how)
    return data


def read_progression(progression: Any) -> int | None:
    """A step. Raises InputError where it is no whole number."""
    if progression is None:
        return None
    number = _number(progression)
    if number is None or not number.is_integer():
        raise InputError(
            f"progression={progression!r:.60} is no whole number.",
            fix="Count in steps, epochs or seconds; leave it out for a final value.",
        )
    return int(number)


def _read(given: Any) -> float | tuple[float, float] | None:
    if isinstance(given, (tuple, list)):
        if len(given) != 2 or (mean := _number(given[0])) is None:
            return None
        sem = math.nan if given[1] is None else _number(given[1])
        if sem is None or sem < 0:
            return None
        return mean if math.isnan(sem) else (mean, sem)  # as in Ax, NaN says that it is not known
    return _number(given)


def _number(given: Any) -> float | None:
    if not isinstance(given, Real) and hasattr(given, "item"):  # an array or a tensor of one element
        try:
            given = given.item()
        except (TypeError, ValueError, RuntimeError):
            return None
    if isinstance(given, bool) or not isinstance(given, Real):
        return None
    try:
        return float(given)
    except OverflowError:
        return None
