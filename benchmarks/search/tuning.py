"""Real tuning problems, from the tables of `tables`."""

from __future__ import annotations

from typing import Any

from benchmarks.search.problem import Metrics, Problem, Values
from benchmarks.search.tables import load


def _tabulated(name: str) -> dict[str, Any]:
    optimum, best = load(name).best("y")
    return {"name": name, "kind": "tuning", "function": load(name).at, "optimum": optimum, "best": best}


def _pipeline(values: Values) -> Metrics:
    return load(f"wine_{values['model']}").at(values)


def _spreading(values: Values) -> Metrics:
    return load(f"spreading_{values['kernel']}").at(values)


_SVM = Problem(
    **_tabulated("svm_digits"), trials=40,
    space={
        "kernel": {"choice": ["poly", "rbf", "sigmoid"]},
        "c": {"float": [1e-2, 1e4], "log": True},
        "gamma": {"float": [1e-5, 10], "log": True},
    },
)  # fmt: skip

_MLP = Problem(
    **_tabulated("mlp_breast_cancer"), trials=40,
    space={
        "activation": {"choice": ["logistic", "relu", "tanh"]},
        "width": {"int": [2, 64], "log": True},
        "alpha": {"float": [1e-5, 10], "log": True},
        "rate": {"float": [1e-4, 10**-0.5], "log": True},
    },
)  # fmt: skip

_GBM = Problem(
    **_tabulated("gbm_diabetes"), trials=50,
    space={
        "rate": {"float": [0.005, 1.0], "log": True},
        "depth": {"int": [1, 6]},
        "subsample": {"float": [0.3, 1.0]},
        "leaf": {"int": [1, 50], "log": True},
        "trees": {"int": [5, 300], "log": True},
    },
)  # fmt: skip

_SCALED = {"model": ["neighbours", "logistic"]}
_WINE = Problem(
    name="pipeline_wine", kind="tuning", function=_pipeline, trials=50,
    optimum=load("wine_logistic").best("y")[0], best={"model": "logistic", **load("wine_logistic").best("y")[1]},
    space={
        "model": {"choice": ["neighbours", "tree", "logistic"]},
        "scaler": {"choice": ["none", "minmax", "standard"], "when": _SCALED},
        "weights": {"choice": ["uniform", "distance"], "when": {"model": "neighbours"}},
        "power": {"float": [1.0, 3.0], "when": {"model": "neighbours"}},
        "neighbours": {"int": [1, 40], "when": {"model": "neighbours"}},
        "c": {"float": [1e-4, 1e4], "log": True, "when": {"model": "logistic"}},
        "criterion": {"choice": ["gini", "entropy"], "when": {"model": "tree"}},
        "depth": {"int": [1, 10], "when": {"model": "tree"}},
        "leaf": {"int": [1, 32], "log": True, "when": {"model": "tree"}},
    },
)  # fmt: skip


FOREST = Problem(
    name="forest_size", kind="several objectives", minimize=["error", "size"], reference=[0.9, 5.0], optimum=3.1757,
    function=load("forest_digits").at, trials=80,
    space={
        "depth": {"int": [1, 15]},
        "leaf": {"int": [1, 32], "log": True},
        "share": {"float": [0.02, 1.0], "log": True},
        "trees": {"int": [1, 64], "log": True},
    },
)  # fmt: skip

_RIDGE = Problem(
    **_tabulated("ridge_diabetes"), trials=40,
    space={
        "kernel": {"choice": ["laplacian", "polynomial", "rbf"]},
        "scaler": {"choice": ["power", "quantile", "standard"]},
        "alpha": {"float": [1e-5, 10], "log": True},
        "gamma": {"float": [1e-3, 1e2], "log": True},
    },
)  # fmt: skip

_SPREADING = Problem(
    name="spreading_digits", kind="tuning", function=_spreading, trials=40,
    optimum=load("spreading_radial").best("y")[0],
    best={"kernel": "radial", **load("spreading_radial").best("y")[1]},
    space={
        "clamping": {"float": [0.01, 0.99]},
        "kernel": {"choice": ["neighbours", "radial"]},
        "neighbours": {"int": [1, 40], "when": {"kernel": "neighbours"}},
        "gamma": {"float": [1e-2, 1e3], "log": True, "when": {"kernel": "radial"}},
    },
)  # fmt: skip

ROUND_ONE = [_SVM, _MLP, _GBM, _WINE]
ROUND_TWO = [_RIDGE, _SPREADING]
