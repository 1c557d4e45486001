"""What Clara's components are told as a score: higher is better, whatever the study's objective says.

Clara knows no objectives, only scores of which the largest is the best. So a study that makes something small
(`-loss`) tells its negative. What Clara's own executor returned and is no number passes as it is: that is between
the executor and whoever reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from meristem.clara.definitions import NO_SCORE


def score_told(score: Any, loss: float | None, *, as_returned: bool, several: bool = False) -> Any:
    """The score of a job that has ended.

    Args:
        score: What came back of it: a number, metrics by name, another object; None for nothing.
        loss: The objective where it is known, lower is better.
        as_returned: It came from an executor in Clara's style, so that metrics by name stay what they are.
        several: There are several objectives, which no single number stands for.

    Returns:
        None where there is no score.
    """
    if score is None and loss is None:
        return None
    measured = score is None or is_number(score) or (isinstance(score, Mapping) and not as_returned) or _is_pair(score)
    if measured and not several:
        return None if loss is None else -loss
    return dict(score) if isinstance(score, Mapping) else score


def is_missing(score: Any) -> bool:
    """Whether this is Clara's mark for a training that never validated."""
    return is_number(score) and float(score) == NO_SCORE


def is_number(score: Any) -> bool:
    return isinstance(score, Real) and not isinstance(score, bool)


def _is_pair(score: Any) -> bool:
    return isinstance(score, (list, tuple)) and len(score) == 2 and all(map(is_number, score))
