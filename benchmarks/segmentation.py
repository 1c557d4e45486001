"""Problems made to look like the tuning of a segmentation: three choices, a few numbers, a noisy score.

What is made small is 1 - Dice. Each combination of choices has a floor, which it reaches at numbers of its own; far
from them a training comes to nothing. Noise is that between two trainings of one configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.search.problem import Metrics, Problem, Values

_WORST = 0.55  # how much is lost where numbers are far off


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a training gives.

    Attributes:
        ranges: Low, high and whether it is logarithmic, by number.
        best: Where in its range each number is best.
        widths: How far off each may be, as a share of its range.
        floors: What each value of a choice adds to what can be reached.
        shifts: By how much each value of a choice moves the best place of a number.
    """

    ranges: Mapping[str, tuple[float, float, bool]]
    best: Mapping[str, float]
    widths: Mapping[str, float]
    floors: Mapping[str, Mapping[Any, float]]
    shifts: Mapping[tuple[str, Any], Mapping[str, float]]

    def __call__(self, values: Values) -> Metrics:
        floor = sum(added[values[choice]] for choice, added in self.floors.items())
        at = {name: self._best(name, values) for name in self.best}
        off = sum(((self._unit(name, values[name]) - at[name]) / self.widths[name]) ** 2 for name in at)
        return {"y": floor + _WORST * (1.0 - math.exp(-0.5 * off))}

    def optimum(self) -> tuple[float, dict[str, Any]]:
        """The lowest value, and where it is; all numbers that matter must be floats."""
        chosen = {choice: min(added, key=lambda value: added[value]) for choice, added in self.floors.items()}
        numbers = {name: self._value(name, self._best(name, chosen)) for name in self.best}
        spare = {name: low for name, (low, _, _) in self.ranges.items() if name not in numbers}
        return sum(min(added.values()) for added in self.floors.values()), {**chosen, **numbers, **spare}

    def problem(self, name: str, noise: float, shipped: Mapping[str, Any]) -> Problem:
        choices = {choice: {"choice": list(added), "default": shipped[choice]} for choice, added in self.floors.items()}
        numbers = {
            number: {"float": [low, high], "log": log, "default": shipped[number]}
            for number, (low, high, log) in self.ranges.items()
        }
        optimum, best = self.optimum()
        return Problem(
            name=name,
            kind="segmentation",
            space={**choices, **numbers},
            function=self,
            optimum=optimum,
            best=best,
            noise={"y": noise},
            trials=120,
        )

    def _best(self, name: str, values: Values) -> float:
        moved = sum(moves.get(name, 0.0) for (choice, value), moves in self.shifts.items() if values[choice] == value)
        return min(max(self.best[name] + moved, 0.02), 0.98)

    def _unit(self, name: str, value: float) -> float:
        low, high, log = self.ranges[name]
        return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)

    def _value(self, name: str, unit: float) -> float:
        low, high, log = self.ranges[name]
        return low * (high / low) ** unit if log else low + unit * (high - low)


_SPLEEN = Training(
    ranges={
        "learning_rate": (1e-5, 1e-2, True),
        "weight_decay": (1e-7, 1e-2, True),
        "flip": (0.0, 1.0, False),
        "intensity": (0.0, 1.0, False),
        "dropout": (0.0, 0.5, False),
    },
    best={"learning_rate": 0.52, "weight_decay": 0.3, "flip": 0.66, "intensity": 0.35, "dropout": 0.2},
    widths={"learning_rate": 0.2, "weight_decay": 0.7, "flip": 0.8, "intensity": 0.5, "dropout": 0.5},
    floors={
        "loss": {"dice": 0.03, "dice_ce": 0.0},
        "norm": {"batch": 0.02, "instance": 0.0},
        "act": {"relu": 0.085, "prelu": 0.08},
    },
    shifts={("loss", "dice"): {"learning_rate": 0.1}, ("norm", "batch"): {"learning_rate": 0.12, "dropout": -0.1}},
)

# What can be best is bad with the shipped numbers: the optimizer wants another learning rate.
_PANCREAS = Training(
    ranges={
        "learning_rate": (1e-5, 1e-1, True),
        "foreground": (0.1, 0.9, False),
        "scale": (0.0, 0.4, False),
        "smooth": (1e-6, 1.0, True),
    },
    best={"learning_rate": 0.36, "foreground": 0.62, "scale": 0.45, "smooth": 0.4},
    widths={"learning_rate": 0.16, "foreground": 0.5, "scale": 0.6, "smooth": 0.6},
    floors={
        "optimizer": {"adam": 0.22, "sgd": 0.17},
        "deep": {False: 0.02, True: 0.0},
        "crop": {"fixed": 0.02, "balanced": 0.0},
    },
    shifts={("optimizer", "sgd"): {"learning_rate": 0.4}, ("deep", True): {"learning_rate": 0.05, "smooth": 0.2}},
)

_PROSTATE = Training(
    ranges={
        "learning_rate": (1e-5, 1e-2, True),
        "rotate": (0.0, 1.0, False),
        "zoom": (0.0, 1.0, False),
        "noise": (0.0, 1.0, False),
        "gamma": (0.0, 1.0, False),
        "weight_decay": (1e-7, 1e-2, True),
    },
    best={"learning_rate": 0.7, "rotate": 0.25, "zoom": 0.8, "gamma": 0.3},
    widths={"learning_rate": 0.25, "rotate": 0.4, "zoom": 0.5, "gamma": 0.6},
    floors={
        "loss": {"dice": 0.1, "focal": 0.12},
        "net": {"unet": 0.02, "segresnet": 0.0},
        "flip": {False: 0.03, True: 0.0},
    },
    shifts={("net", "segresnet"): {"learning_rate": -0.15, "zoom": -0.1}, ("flip", True): {"rotate": 0.1}},
)

SEGMENTATION: Sequence[Problem] = (
    _SPLEEN.problem(
        "spleen",
        noise=0.01,
        shipped={
            "loss": "dice", "norm": "batch", "act": "relu", "learning_rate": 1e-4, "weight_decay": 1e-5, "flip": 0.5,
            "intensity": 0.1, "dropout": 0.0,
        },
    ),
    _PANCREAS.problem(
        "pancreas",
        noise=0.015,
        shipped={
            "optimizer": "adam", "deep": False, "crop": "fixed", "learning_rate": 1e-4, "foreground": 0.5, "scale": 0.1,
            "smooth": 1e-5,
        },
    ),
    _PROSTATE.problem(
        "prostate",
        noise=0.02,
        shipped={
            "loss": "dice", "net": "unet", "flip": False, "learning_rate": 1e-4, "rotate": 0.5, "zoom": 0.5,
            "noise": 0.15, "gamma": 0.5, "weight_decay": 1e-5,
        },
    ),
)  # fmt: skip
