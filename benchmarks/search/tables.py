"""Real tuning problems as tables: what scikit-learn measured on a grid, interpolated between its points.

The tables lie in `tables/` and were made by `tabulate`; so an evaluation costs microseconds, is the same on every
machine, and the best value is known. Between grid points values are linear (on a log axis: in the logarithm), hence
never below the lowest point of the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One parameter of a table: `kind` is `choice`, `linear` or `log`; `values` are its grid."""

    name: str
    kind: str
    values: Sequence[Any]

    def places(self, value: Any) -> list[tuple[int, float]]:
        """The grid places about `value` with their weights, which sum to 1."""
        if self.kind == "choice":
            return [(list(self.values).index(value), 1.0)]
        scale = math.log if self.kind == "log" else float
        grid = [scale(v) for v in self.values]
        at = min(max(scale(value), grid[0]), grid[-1])
        low = min(max(int(np.searchsorted(grid, at, side="right")) - 1, 0), len(grid) - 2)
        share = (at - grid[low]) / (grid[low + 1] - grid[low])
        return [(low, 1.0 - share), (low + 1, share)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Metrics on a grid: each array has one dimension an axis."""

    axes: Sequence[Axis]
    metrics: Mapping[str, NDArray[np.float64]]

    def at(self, values: Mapping[str, Any]) -> dict[str, float]:
        corners = list(product(*(axis.places(values[axis.name]) for axis in self.axes)))
        found = dict.fromkeys(self.metrics, 0.0)
        for corner in corners:
            place, weight = tuple(i for i, _ in corner), math.prod(w for _, w in corner)
            for name, array in self.metrics.items():
                found[name] += weight * float(array[place]) if weight else 0.0
        return found

    def best(self, metric: str) -> tuple[float, dict[str, Any]]:
        """The lowest value of a metric and where it is."""
        array = self.metrics[metric]
        place = np.unravel_index(int(np.argmin(array)), array.shape)
        return float(array[place]), {a.name: a.values[int(i)] for a, i in zip(self.axes, place, strict=True)}


# The grids. Parameters of a conditional problem are those of several tables.
TABLES: Mapping[str, Sequence[Axis]] = {
    "svm_digits": (
        Axis(name="kernel", kind="choice", values=["poly", "rbf", "sigmoid"]),
        Axis(name="c", kind="log", values=[10.0 ** (i / 2) for i in range(-4, 9)]),
        Axis(name="gamma", kind="log", values=[10.0 ** (i / 3) for i in range(-15, 4)]),
    ),
    "mlp_breast_cancer": (
        Axis(name="activation", kind="choice", values=["logistic", "relu", "tanh"]),
        Axis(name="width", kind="log", values=[2, 4, 8, 16, 32, 64]),
        Axis(name="alpha", kind="log", values=[10.0**i for i in range(-5, 2)]),
        Axis(name="rate", kind="log", values=[10.0 ** (i / 2) for i in range(-8, 0)]),
    ),
    "gbm_diabetes": (
        Axis(name="rate", kind="log", values=[0.005, 0.012, 0.03, 0.07, 0.16, 0.4, 1.0]),
        Axis(name="depth", kind="linear", values=[1, 2, 3, 4, 6]),
        Axis(name="subsample", kind="linear", values=[0.3, 0.65, 1.0]),
        Axis(name="leaf", kind="log", values=[1, 4, 14, 50]),
        Axis(name="trees", kind="log", values=[5, 10, 20, 40, 80, 150, 300]),
    ),
    "wine_neighbours": (
        Axis(name="scaler", kind="choice", values=["none", "minmax", "standard"]),
        Axis(name="weights", kind="choice", values=["uniform", "distance"]),
        Axis(name="power", kind="linear", values=[1.0, 1.5, 2.0, 3.0]),
        Axis(name="neighbours", kind="linear", values=list(range(1, 41))),
    ),
    "wine_logistic": (
        Axis(name="scaler", kind="choice", values=["none", "minmax", "standard"]),
        Axis(name="c", kind="log", values=[10.0 ** (i / 2) for i in range(-8, 9)]),
    ),
    "wine_tree": (
        Axis(name="criterion", kind="choice", values=["gini", "entropy"]),
        Axis(name="depth", kind="linear", values=list(range(1, 11))),
        Axis(name="leaf", kind="log", values=[1, 2, 4, 8, 16, 32]),
    ),
    "forest_digits": (
        Axis(name="depth", kind="linear", values=[1, 2, 3, 4, 6, 8, 11, 15]),
        Axis(name="leaf", kind="log", values=[1, 2, 4, 8, 16, 32]),
        Axis(name="share", kind="log", values=[0.02, 0.05, 0.12, 0.3, 1.0]),
        Axis(name="trees", kind="log", values=[1, 2, 4, 8, 16, 32, 64]),
    ),
    "ridge_diabetes": (
        Axis(name="kernel", kind="choice", values=["laplacian", "polynomial", "rbf"]),
        Axis(name="scaler", kind="choice", values=["power", "quantile", "standard"]),
        Axis(name="alpha", kind="log", values=[10.0 ** (i / 2) for i in range(-10, 3)]),
        Axis(name="gamma", kind="log", values=[10.0 ** (i / 2) for i in range(-6, 5)]),
    ),
    "spreading_radial": (
        Axis(name="clamping", kind="linear", values=[0.01, *(i / 10 for i in range(1, 10)), 0.95, 0.99]),
        Axis(name="gamma", kind="log", values=[10.0 ** (i / 3) for i in range(-6, 10)]),
    ),
    "spreading_neighbours": (
        Axis(name="clamping", kind="linear", values=[0.01, *(i / 10 for i in range(1, 10)), 0.95, 0.99]),
        Axis(name="neighbours", kind="linear", values=[*range(1, 13), 14, 16, 18, 20, 25, 30, 35, 40]),
    ),
}


@cache
def load(name: str) -> Table:
    with np.load(FOLDER / f"{name}.npz") as file:
        return Table(axes=TABLES[name], metrics={key: file[key].astype(float) for key in file.files})
