"""Trains a classifier of handwritten digits: a script as anybody may have it, but for the two lines marked below.

    python examples/team/train.py --alpha 0.001

On a worker the same script runs again, with the parameters that the task has by then.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from meristem import Task  # the first line

EPOCHS = 10


def main() -> None:
    task = Task.init("team", "digits")  # and the second

    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float, default=1e-4, help="strength of the regularization")
    parser.add_argument("--loss", default="log_loss", choices=["log_loss", "hinge", "modified_huber"])
    given = parser.parse_args()

    images, digits = load_digits(return_X_y=True)
    x, held_out, y, held_out_y = train_test_split(images, digits, test_size=0.3, random_state=0, stratify=digits)
    scaler = StandardScaler().fit(x)
    x, held_out = scaler.transform(x), scaler.transform(held_out)

    model = SGDClassifier(loss=given.loss, alpha=given.alpha, random_state=0)
    accuracy = 0.0
    for epoch in range(1, EPOCHS + 1):
        order = np.random.default_rng(epoch).permutation(len(x))
        model.partial_fit(x[order], y[order], classes=np.unique(digits))
        accuracy = float(model.score(held_out, held_out_y))
        task.report(step=epoch, accuracy=accuracy)
        print(f"epoch {epoch:2d}: accuracy {accuracy:.4f}", flush=True)
    task.upload_artifact("weights", model.coef_)


if __name__ == "__main__":
    main()
