"""Makes the tables of the real tuning problems from scikit-learn's own data sets; takes some minutes of CPU.

    python -m benchmarks.search.tabulate [name …]

The tables are shipped, so this need not be run; it is here so that anyone can see what was measured.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

# ruff: noqa: E402, N806 (the design matrix is X in this field)

import sys
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold, StratifiedShuffleSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.semi_supervised import LabelSpreading
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from benchmarks.search.tables import FOLDER, TABLES

Arrays = dict[str, np.ndarray]
SCALERS = {"none": FunctionTransformer, "minmax": MinMaxScaler, "standard": StandardScaler}
SHAPERS = {
    "power": PowerTransformer(),
    "quantile": make_pipeline(QuantileTransformer(n_quantiles=100, output_distribution="normal"), StandardScaler()),
    "standard": StandardScaler(),
}


def main() -> None:
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    makers = {name: globals()[f"_{name}"] for name in TABLES}
    for name in sys.argv[1:] or makers:
        arrays: Arrays = makers[name]()
        np.savez_compressed(FOLDER / f"{name}.npz", **{k: v.astype(np.float32) for k, v in arrays.items()})
        print(name, {k: (v.shape, round(float(v.min()), 4), round(float(v.max()), 4)) for k, v in arrays.items()})


def _over(name: str, measure: Callable[..., float], metric: str = "y") -> Arrays:
    axes = TABLES[name]
    values = [measure(*point) for point in product(*(axis.values for axis in axes))]
    return {metric: np.array(values).reshape([len(axis.values) for axis in axes])}


def _digits() -> tuple[Any, Any]:
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


def _svm_digits() -> Arrays:
    """Share of digits that are mistaken, by three-fold cross-validation."""
    X, y = _digits()
    folds = StratifiedKFold(3, shuffle=True, random_state=0)

    def error(kernel: str, c: float, gamma: float) -> float:
        return float(np.mean(cross_val_predict(SVC(kernel=kernel, C=c, gamma=gamma), X, y, cv=folds) != y))

    return _over("svm_digits", error)


def _mlp_breast_cancer() -> Arrays:
    """Log loss of a network of one layer after 40 epochs, by two-fold cross-validation."""
    X, y = load_breast_cancer(return_X_y=True)
    folds = StratifiedKFold(2, shuffle=True, random_state=0)

    def loss(activation: str, width: int, alpha: float, rate: float) -> float:
        network = MLPClassifier((width,), activation=activation, alpha=alpha, learning_rate_init=rate, max_iter=40,
                                n_iter_no_change=40, random_state=0)  # fmt: skip
        chances = cross_val_predict(make_pipeline(StandardScaler(), network), X, y, cv=folds, method="predict_proba")
        return float(log_loss(y, np.clip(chances, 1e-3, 1 - 1e-3)))

    return _over("mlp_breast_cancer", loss)


def _gbm_diabetes() -> Arrays:
    """Mean squared error as a share of the variance, at most 10, by two-fold cross-validation; trees in stages."""
    X, y = load_diabetes(return_X_y=True)
    *axes, stages = TABLES["gbm_diabetes"]
    folds = list(KFold(2, shuffle=True, random_state=0).split(X))
    rows = []
    for rate, depth, subsample, leaf in product(*(axis.values for axis in axes)):
        errors = np.zeros(len(stages.values))
        for train, test in folds:
            model = GradientBoostingRegressor(learning_rate=rate, max_depth=depth, subsample=subsample,
                min_samples_leaf=leaf, n_estimators=max(stages.values), random_state=0)  # fmt: skip
            told = list(model.fit(X[train], y[train]).staged_predict(X[test]))
            errors += [np.sum((told[n - 1] - y[test]) ** 2) for n in stages.values]
        rows.append(np.minimum(errors / len(y) / np.var(y), 10))  # fast learners on few rows diverge
    return {"y": np.array(rows).reshape([len(axis.values) for axis in (*axes, stages)])}


def _brier(model: Any) -> float:
    X, y = load_wine(return_X_y=True)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    chances = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
    return float(np.mean(np.sum((chances - np.eye(3)[y]) ** 2, axis=1)))


def _wine_neighbours() -> Arrays:
    """Brier score of nearest neighbours, by five-fold cross-validation; so are the next two."""

    def score(scaler: str, weights: str, power: float, neighbours: int) -> float:
        return _brier(make_pipeline(SCALERS[scaler](), KNeighborsClassifier(neighbours, weights=weights, p=power)))

    return _over("wine_neighbours", score)


def _wine_logistic() -> Arrays:
    return _over("wine_logistic", lambda s, c: _brier(make_pipeline(SCALERS[s](), LogisticRegression(C=c))))


def _wine_tree() -> Arrays:
    def score(criterion: str, depth: int, leaf: int) -> float:
        return _brier(
            DecisionTreeClassifier(criterion=criterion, max_depth=depth, min_samples_leaf=leaf, random_state=0)
        )

    return _over("wine_tree", score)


def _forest_digits() -> Arrays:
    """Share of digits mistaken, and how large the forest is (decimal logarithm of its nodes), two-fold."""
    X, y = _digits()
    *axes, sizes = TABLES["forest_digits"]
    folds = list(StratifiedKFold(2, shuffle=True, random_state=0).split(X, y))
    errors, nodes = [], []
    for depth, leaf, share in product(*(axis.values for axis in axes)):
        error, count = np.zeros(len(sizes.values)), np.zeros(len(sizes.values))
        for train, test in folds:
            forest = RandomForestClassifier(max(sizes.values), max_depth=depth, min_samples_leaf=leaf,
                max_features=share, random_state=0).fit(X[train], y[train])  # fmt: skip
            votes = np.cumsum([tree.predict_proba(X[test]) for tree in forest.estimators_], axis=0)
            grown = np.cumsum([tree.tree_.node_count for tree in forest.estimators_])
            error += [np.mean(np.argmax(votes[n - 1], axis=1) != y[test]) / 2 for n in sizes.values]
            count += [grown[n - 1] / 2 for n in sizes.values]
        errors.append(error)
        nodes.append(np.log10(count))
    shape = [len(axis.values) for axis in (*axes, sizes)]
    return {"error": np.array(errors).reshape(shape), "size": np.array(nodes).reshape(shape)}


def _ridge_diabetes() -> Arrays:
    """Mean squared error of kernel ridge as a share of the variance, at most 10, by five-fold cross-validation."""
    X, y = load_diabetes(return_X_y=True)
    folds = KFold(5, shuffle=True, random_state=0)

    def error(kernel: str, scaler: str, alpha: float, gamma: float) -> float:
        ridge = make_pipeline(SHAPERS[scaler], KernelRidge(kernel=kernel, alpha=alpha, gamma=gamma))
        told = cross_val_predict(TransformedTargetRegressor(ridge, transformer=StandardScaler()), X, y, cv=folds)
        return float(min(np.mean((told - y) ** 2) / np.var(y), 10))

    return _over("ridge_diabetes", error)


def _spreading(name: str, kernel: str, argument: str) -> Arrays:
    """Share of digits mistaken where 60 of 600 are labelled and the labels spread to the others; over five draws."""
    X, y = _digits()
    draws = list(StratifiedShuffleSplit(5, train_size=60, random_state=0).split(X, y))

    def error(clamping: float, value: float) -> float:
        wrong = []
        for known, unknown in draws:
            labels = np.full(len(y), -1)
            labels[known] = y[known]
            spreading = LabelSpreading(kernel, alpha=clamping, max_iter=100, **{argument: value}).fit(X, labels)
            wrong.append(np.mean(spreading.transduction_[unknown] != y[unknown]))
        return float(np.mean(wrong))

    return _over(name, error)


def _spreading_radial() -> Arrays:
    return _spreading("spreading_radial", "rbf", "gamma")


def _spreading_neighbours() -> Arrays:
    return _spreading("spreading_neighbours", "knn", "n_neighbors")


if __name__ == "__main__":
    main()
