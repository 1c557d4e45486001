"""How a call of the training function ended, as plain data that any process can read.

Decides what a returned value means and how an exception is told. Used in worker processes, so it
imports nothing heavy; the executor turns an `CallResult` into an `Outcome`.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from meristem.errors import StopTrial

CallResult = tuple[str, Any, str | None, str | None]  # status, score, error, traceback
EXPECTED = 'return a number or a dict of metrics, such as {"accuracy": 0.93}'
_HERE = os.path.dirname(os.path.abspath(__file__))
_ERROR_LIMIT, _TRACEBACK_LIMIT = 500, 20_000


def run_function(function: Callable[[Any], Any], trial: Any) -> CallResult:
    """Calls `function` and tells how it ended; never raises."""
    try:
        returned = function(trial)
    except StopTrial:
        return ("stopped", None, None, None)
    except BaseException as error:  # SystemExit and KeyboardInterrupt, too, fail this trial alone
        return failure_of(error)
    try:
        return ("completed", score_of(returned), None, None)
    except Exception as error:  # a returned object may raise anything when looked at
        return ("failed", None, storable(str(error))[:_ERROR_LIMIT], None)


def score_of(returned: Any) -> Any:
    """`returned` as JSON values: numpy and torch scalars become floats, anything JSON holds passes.

    Raises:
        ValueError: None, text, or something JSON cannot hold.
    """
    if returned is None or isinstance(returned, (str, bytes)):
        kind = "" if returned is None else f" ({type(returned).__name__})"
        raise ValueError(f"The function returned {returned!r:.80}{kind}; {EXPECTED}.")
    try:
        score = _plain(returned)
        json.dumps(score)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        shown = f"{type(returned).__module__}.{type(returned).__qualname__}".removeprefix("builtins.")
        why = "it contains itself" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"The function returned a {shown} that cannot be kept: {why}; {EXPECTED}.") from error
    return score


def failure_of(error: BaseException) -> CallResult:
    """One line and the traceback of `error`, without the frames of ours that called the function."""
    message = " ".join(_text_of(error).split())
    name = type(error).__name__
    line = f"{name}: {message}" if message else name
    lines = traceback.format_exception(type(error), error, _user_frames(error.__traceback__))
    return ("failed", None, storable(line)[:_ERROR_LIMIT], storable("".join(lines))[-_TRACEBACK_LIMIT:])


def storable(text: str) -> str:
    """`text` without what stores refuse: lone surrogates and NUL, shown escaped."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(value)  # numpy.float64 is one, and should not be
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, str):
        value.encode()  # a lone surrogate raises here
        return str(value)
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"the key {odd[0]!r:.60} is not text")
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "__float__") and not getattr(value, "ndim", 0):
        return float(value)
    raise TypeError(f"{value!r:.60} is a {type(value).__name__}, which JSON cannot hold")


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a user's __str__ may raise anything
        return "(its message cannot be shown)"


def _user_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_HERE):
        frames = frames.tb_next
    return frames
