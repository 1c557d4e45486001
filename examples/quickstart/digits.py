"""Searches for the best model of handwritten digits, and compares it with what the models give untuned.

    make quickstart        (or: python examples/quickstart/digits.py)

Real data that ships with scikit-learn: 1,797 images of 8 x 8 pixels. The search sees the training part
only; the test part is looked at once, at the end. Started again, it shows the same study; with
`--trials 600 --seconds 120` it goes on searching where it was.
"""

# ruff: noqa: E402  the number of threads must be set before numpy is loaded

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # two trials run at a time; more threads would only be in each other's way

import argparse
import warnings
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

import meristem as ms

NAME, STORE = "digits-quickstart", "sqlite:///meristem.db"
DEFAULTS = {
    "svc": SVC(),
    "extra_trees": ExtraTreesClassifier(random_state=0),
    "neighbours": KNeighborsClassifier(),
    "logistic": LogisticRegression(),
}
SPACE = {
    "preprocessing": ms.Choice(["none", "standard", "minmax", "pca"]),
    "components": ms.Int(10, 40, when={"preprocessing": "pca"}),
    "model": ms.Choice(list(DEFAULTS)),
    "svc_c": ms.Float(0.1, 100.0, log=True, when={"model": "svc"}),
    "svc_gamma": ms.Float(1e-4, 1.0, log=True, when={"model": "svc"}),
    "trees": ms.Int(50, 250, when={"model": "extra_trees"}),
    "tree_features": ms.Float(0.05, 0.5, when={"model": "extra_trees"}),
    "neighbours": ms.Int(1, 12, when={"model": "neighbours"}),
    "weights": ms.Choice(["uniform", "distance"], when={"model": "neighbours"}),
    "logistic_c": ms.Float(1e-3, 10.0, log=True, when={"model": "logistic"}),
}


def train(trial: ms.Trial) -> dict[str, float]:
    """Mean accuracy in 3-fold cross-validation on the training part, done twice to leave less to chance."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    images, _, digits, _ = split()
    folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    scores = cross_val_score(pipeline(trial.parameters), images, digits, cv=folds)
    return {"accuracy": float(scores.mean()), "worst_fold": float(scores.min())}


def split() -> list[Any]:
    """Training images, test images, training digits, test digits."""
    images, digits = load_digits(return_X_y=True)
    return train_test_split(images, digits, test_size=0.4, stratify=digits, random_state=0)


def pipeline(parameters: Mapping[str, Any]) -> Pipeline:
    """The preprocessing and the model that `parameters` describe."""
    return make_pipeline(*preprocessing(parameters), model(parameters))


def preprocessing(p: Mapping[str, Any]) -> list[BaseEstimator]:
    match p["preprocessing"]:
        case "standard":
            return [StandardScaler()]
        case "minmax":
            return [MinMaxScaler()]
        case "pca":
            return [MinMaxScaler(), PCA(p["components"], random_state=0)]
    return []


def model(p: Mapping[str, Any]) -> BaseEstimator:
    match p["model"]:
        case "svc":
            return SVC(C=p["svc_c"], gamma=p["svc_gamma"])
        case "extra_trees":
            return ExtraTreesClassifier(p["trees"], max_features=p["tree_features"], random_state=0)
        case "neighbours":
            return KNeighborsClassifier(p["neighbours"], weights=p["weights"])
    return LogisticRegression(C=p["logistic_c"], max_iter=200)


def show(study: ms.Study, console: Console) -> None:
    """Prints the best configuration, the comparison on the test part, and where to look further."""
    best = study.best
    console.print(f"\nBest configuration, of {sum(study.counts().values())} trials (trial {best.number}):")
    for name, value in best.parameters.items():
        console.print(f"  {name} = {value:.4g}" if isinstance(value, float) else f"  {name} = {value}")
    table = Table("model", "cross-validation", "held-out test set", title="Accuracy on handwritten digits")
    tested = test_score(pipeline(best.parameters))
    table.add_row("best found", f"{best.value:.4f}", f"{tested:.4f}", style="bold")
    defaults = {name: test_score(make_pipeline(default)) for name, default in DEFAULTS.items()}
    for name, score in defaults.items():
        table.add_row(f"{name}, as it comes", "", f"{score:.4f}")
    console.print(table)
    better = sum(tested > score for score in defaults.values())
    console.print(f"The best found beats {better} of {len(defaults)} models as they come.\n\nLook further:")
    console.print(f"  .venv/bin/meristem study show {NAME}")
    console.print(f"  .venv/bin/meristem study trials {NAME} --json")
    console.print(f"  .venv/bin/meristem study events {NAME}")


def test_score(candidate: Pipeline) -> float:
    """Accuracy on the test part after training on the whole training part."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    images, test_images, digits, test_digits = split()
    return float(candidate.fit(images, digits).score(test_images, test_digits))


def main() -> None:
    arguments = argparse.ArgumentParser(description="Search for the best model of handwritten digits.")
    arguments.add_argument("--trials", type=int, default=400, help="trials in all (default: 400)")
    arguments.add_argument("--seconds", type=float, default=60.0, help="time limit (default: 60)")
    arguments.add_argument("--store", default=STORE, help=f"where the study is kept (default: {STORE})")
    given = arguments.parse_args()
    study = ms.Study(NAME, space=SPACE, objective="accuracy", controller="auto", store=given.store, seed=1)
    study.run(train, trials=given.trials, seconds=given.seconds, parallel=2, handlers=["progress"])
    show(study, Console())


if __name__ == "__main__":
    main()
