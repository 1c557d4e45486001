"""Reads what a training of an MMAR wrote about its validations: `train_stats.json`.

    {"key_metric": "mean_dice", "best_metric": 0.91, "best_epoch": 12,
     "validations": [{"epoch": 1, "value": 0.50}, {"epoch": 2, "value": 0.71}]}

Only the best value is needed; trainers name it differently. `validations` makes learning curves.
"""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meristem.clara.definitions import NO_SCORE
from meristem.spool import read_step, read_value

STATS_FILE = "train_stats.json"
_BEST = (
    "best_metric",
    "best_validation_metric",
    "best_val_metric",
    "best_key_metric",
    "best_score",
    "key_metric_value",
)
_CURVES = ("validations", "history")
_STEPS = ("epoch", "step", "round")
_VALUES = ("value", "metric", "score")
_LARGEST_BYTES, _MOST_POINTS = 16 << 20, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStats:
    """What the file says.

    Attributes:
        best: The best value of the key metric; None: it was never validated, or the file does not say.
        curve: Its values by step, in the order in which they stand there.
    """

    best: float | None = None
    curve: tuple[tuple[int, float], ...] = ()


def read_stats(path: Path) -> TrainStats | None:
    """The file's content; None where there is none, or it is not whole (yet)."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for, a device has no end
            return None
        with open(path, "rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        data = json.loads(content) if len(content) <= _LARGEST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return stats_of(data) if isinstance(data, Mapping) else None


def stats_of(data: Mapping[str, Any]) -> TrainStats:
    """What the parsed file says; what cannot be understood in it is passed over."""
    items = [item for name in _CURVES for item in _list(data.get(name))][:_MOST_POINTS]
    curve = tuple(point for item in items if (point := _point(item)) is not None)
    best = next((value for name in _BEST if (value := _number(data.get(name))) is not None), None)
    if best is None and curve:
        best = max((value for _, value in curve if math.isfinite(value)), default=None)
    return TrainStats(best=best, curve=curve)


def _point(item: Any) -> tuple[int, float] | None:
    if not isinstance(item, Mapping):
        return None
    value = next((v for name in _VALUES if (v := _number(item.get(name))) is not None), None)
    step = next((item[name] for name in _STEPS if name in item), None)
    try:
        return None if value is None or step is None else (read_step(step), value)
    except ValueError:
        return None


def _number(given: Any) -> float | None:
    try:
        value = read_value(given)[0]
    except ValueError:
        return None
    return None if value <= NO_SCORE else value


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []
