"""Forecasts a noisy wave from its last few values: a small training without libraries.

Runs under the study of study.yaml, or by hand with the defaults below: python train.py
"""

from __future__ import annotations

import math
import os
import random
from statistics import mean, median

import meristem as ms

DEFAULTS = {"depth": 4, "rate": 0.1, "smooth": "none"}
SMOOTHERS = {"mean": mean, "median": median}


def main() -> None:
    p = ms.parameters() if "MERISTEM_PARAMETERS" in os.environ else DEFAULTS
    noise = random.Random(1)
    wave = [math.sin(i / 9) + 0.4 * math.sin(i / 2.5) + noise.gauss(0, 0.2) for i in range(240)]
    seen = smoothed(wave[:160], p)
    weights = [0.0] * p["depth"]
    for step in range(1, 61):
        for i in range(p["depth"], len(seen)):
            window = seen[i - p["depth"] : i]
            miss = sum(w * v for w, v in zip(weights, window, strict=True)) - seen[i]
            size = 1e-9 + sum(v * v for v in window)
            weights = [w - p["rate"] * miss * v / size for w, v in zip(weights, window, strict=True)]
        if step % 20 == 0:
            ms.report(step=step, error=error(weights, wave[160:]))
    ms.report(error=error(weights, wave[160:]))


def smoothed(values: list[float], p: dict[str, object]) -> list[float]:
    """Each value replaced by the mean or the median of the last few, or left alone."""
    smoother, window = SMOOTHERS.get(str(p["smooth"])), int(str(p.get("window", 1)))
    if smoother is None:
        return values
    return [smoother(values[max(0, i + 1 - window) : i + 1]) for i in range(len(values))]


def error(weights: list[float], wave: list[float]) -> float:
    """Root mean square error of forecasting each value from those before it."""
    depth = len(weights)
    misses = [
        sum(w * v for w, v in zip(weights, wave[i - depth : i], strict=True)) - wave[i] for i in range(depth, len(wave))
    ]
    return math.sqrt(mean(miss * miss for miss in misses))


if __name__ == "__main__":
    main()
