"""Trains on the newest published version of the labels, and prints how often it is right on rows that it has not seen.

    python train.py test.csv

Logistic regression by Newton's method, with nothing but numpy.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from labelling import read_rows

from meristem import Dataset

PROJECT, NAME = "examples", "occupancy"


def main() -> None:
    version = Dataset.get(project=PROJECT, name=NAME, only_published=True)
    folder = Path(version.get_local_copy())
    inputs, labels = features(row for path in sorted(folder.glob("*.csv")) for row in read_rows(path))
    unseen, truth = features(read_rows(Path(sys.argv[1])))
    mean, width = inputs.mean(axis=0), inputs.std(axis=0)
    weights = fit(with_one((inputs - mean) / width), labels)
    right = (with_one((unseen - mean) / width) @ weights > 0) == (truth > 0.5)
    print(
        f"trained on version {version.version}, {len(labels):,} rows; "
        f"right on {right.mean():.1%} of {len(truth):,} rows that it has not seen"
    )


def features(rows: object) -> tuple[np.ndarray, np.ndarray]:
    """Sensor values, shape (n, 5), and labels 0 or 1, shape (n,)."""
    values = np.array([[float(text) for text in row[1:]] for row in rows])  # type: ignore[attr-defined]
    return values[:, :-1], values[:, -1]


def with_one(inputs: np.ndarray) -> np.ndarray:
    return np.column_stack([inputs, np.ones(len(inputs))])


def fit(inputs: np.ndarray, labels: np.ndarray, penalty: float = 1.0, steps: int = 25) -> np.ndarray:
    """Weights of a logistic regression, shape (features,), with a quadratic penalty that keeps them finite."""
    weights = np.zeros(inputs.shape[1])
    for _ in range(steps):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (chance - labels) + penalty * weights
        curve = (inputs.T * (chance * (1 - chance))) @ inputs + penalty * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    return weights


if __name__ == "__main__":
    main()
