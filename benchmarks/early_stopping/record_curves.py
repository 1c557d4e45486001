"""Records learning curves of real trainings, so that stopping rules can be compared without training anything.

    python benchmarks/early_stopping/record_curves.py

Three data sets of scikit-learn, three families of models a data set, random configurations with fixed seeds.
After each epoch (or boosting stage) the log loss and the error rate on held-out data are written down. Some
minutes on one core; writes `curves.json.gz` beside this file, which `compare.py` reads.
"""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

CURVES = Path(__file__).with_name("curves.json.gz")
DATA = {"digits": load_digits, "breast_cancer": load_breast_cancer, "wine": load_wine}
STEPS = {"sgd": 40, "gb": 60, "mlp": 81}
CONFIGURATIONS = {"sgd": 24, "gb": 20, "mlp": 24}  # of each data set: 204 in all
HELD_OUT = 1 / 3
DIGITS = 5

Split = tuple[Any, Any, Any, Any]  # training and held-out features, training and held-out labels
Parameters = dict[str, Any]


def main() -> None:
    warnings.filterwarnings("ignore")  # of diverging configurations, of which there are meant to be some
    recorded: dict[str, list[dict[str, Any]]] = {}
    for place, (data, load) in enumerate(DATA.items()):
        split = _split(load)
        rng = np.random.default_rng(place)
        recorded[data] = []
        for family, count in CONFIGURATIONS.items():
            draw, train = FAMILIES[family]
            for seed in range(count):
                parameters = draw(rng)
                losses = _padded([_held_out_losses(p, split[3]) for p in train(parameters, split, seed)], family)
                found = {"family": family, "parameters": parameters, "log_loss": losses[0], "error": losses[1]}
                recorded[data].append(found)
            print(f"{data:14} {family:4} {count} configurations x {STEPS[family]} steps", flush=True)
    content = json.dumps({"steps": STEPS, "data": recorded}, separators=(",", ":")).encode()
    CURVES.write_bytes(gzip.compress(content, 9, mtime=0))
    print(f"{CURVES.name}: {CURVES.stat().st_size:,} bytes")


def _split(load: Callable[..., Any]) -> Split:
    features, labels = load(return_X_y=True)
    train, held_out, train_labels, held_out_labels = train_test_split(
        features, labels, test_size=HELD_OUT, random_state=0, stratify=labels
    )
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(held_out), train_labels, held_out_labels


def _held_out_losses(probabilities: Any, labels: Any) -> tuple[float, float]:
    if not np.isfinite(probabilities).all():
        return float("nan"), float("nan")
    chosen = np.argmax(probabilities, axis=1)
    loss = log_loss(labels, np.clip(probabilities, 1e-7, 1.0), labels=np.arange(probabilities.shape[1]))
    return float(loss), float(np.mean(chosen != labels))


def _padded(losses: list[tuple[float, float]], family: str) -> list[list[float | None]]:
    """Both metrics by step; None from where the training diverged."""
    rows = losses + [(float("nan"), float("nan"))] * (STEPS[family] - len(losses))
    columns = zip(*rows, strict=True)
    return [[float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in column] for column in columns]


def _train_epochs(model: Any, split: Split, family: str) -> Iterator[Any]:
    rng, classes = np.random.default_rng(0), np.unique(split[2])
    for _ in range(STEPS[family]):
        order = rng.permutation(len(split[2]))
        try:
            model.partial_fit(split[0][order], split[2][order], classes=classes)
            yield model.predict_proba(split[1])
        except ValueError:  # weights overflowed
            return


def _sgd(parameters: Parameters, split: Split, seed: int) -> Iterator[Any]:
    model = SGDClassifier(loss="log_loss", random_state=seed, **parameters)
    return _train_epochs(model, split, "sgd")


def _draw_sgd(rng: np.random.Generator) -> Parameters:
    return {
        "alpha": _log(rng, 1e-6, 1.0),
        "penalty": str(rng.choice(["l2", "l1", "elasticnet"])),
        "learning_rate": str(rng.choice(["constant", "invscaling"])),
        "eta0": _log(rng, 1e-4, 1.0),
    }


def _mlp(parameters: Parameters, split: Split, seed: int) -> Iterator[Any]:
    arguments = dict(parameters)
    width, depth = arguments.pop("width"), arguments.pop("depth")
    model = MLPClassifier(hidden_layer_sizes=(width,) * depth, random_state=seed, **arguments)
    return _train_epochs(model, split, "mlp")


def _draw_mlp(rng: np.random.Generator) -> Parameters:
    return {
        "width": int(_log(rng, 4, 128)),
        "depth": int(rng.integers(1, 4)),
        "activation": str(rng.choice(["relu", "tanh"])),
        "solver": str(rng.choice(["adam", "sgd"])),
        "learning_rate_init": _log(rng, 1e-5, 0.3),
        "alpha": _log(rng, 1e-6, 1.0),
        "batch_size": int(rng.choice([16, 32, 64, 128])),
    }


def _gb(parameters: Parameters, split: Split, seed: int) -> Iterator[Any]:
    model = GradientBoostingClassifier(n_estimators=STEPS["gb"], random_state=seed, **parameters)
    model.fit(split[0], split[2])
    return iter(model.staged_predict_proba(split[1]))


def _draw_gb(rng: np.random.Generator) -> Parameters:
    return {
        "learning_rate": _log(rng, 0.005, 1.0),
        "max_depth": int(rng.integers(1, 6)),
        "subsample": float(np.round(rng.uniform(0.4, 1.0), 3)),
        "max_features": float(np.round(rng.uniform(0.1, 0.6), 3)),
    }


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.4g}")


FAMILIES: dict[str, tuple[Callable[..., Parameters], Callable[..., Iterator[Any]]]] = {
    "sgd": (_draw_sgd, _sgd),
    "gb": (_draw_gb, _gb),
    "mlp": (_draw_mlp, _mlp),
}


if __name__ == "__main__":
    main()
