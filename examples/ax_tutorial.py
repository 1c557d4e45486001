"""Ax's tutorial of closed loops, with Meristem: trials are deployed by a runner, their data is fetched by a metric.

    python examples/ax_tutorial.py              # each trial takes 5 seconds
    python examples/ax_tutorial.py --wait 0     # or no time at all

The structure and the calls are those of a script for Ax; only the imports are not.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meristem.client import Client, IMetric, IRunner, RangeParameterConfig, TParameterization, TrialStatus

TRIAL_SECONDS = 5.0
BEST_POSSIBLE = -3.32237

WEIGHTS = (1.0, 1.2, 3.0, 3.2)
SLOPES = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
CENTRES = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def hartmann6(*x: float) -> float:
    """A function of six numbers from 0 to 1 with several valleys; the deepest is at -3.32."""
    valleys = (
        weight * math.exp(-sum(a * (xi - p) ** 2 for a, xi, p in zip(slopes, x, centre, strict=True)))
        for weight, slopes, centre in zip(WEIGHTS, SLOPES, CENTRES, strict=True)
    )
    return -sum(valleys)


class MockRunner(IRunner):
    """Stands for a system outside: computes at once, and says so `seconds` later."""

    def __init__(self, folder: Path, seconds: float = TRIAL_SECONDS) -> None:
        self.folder, self.seconds = folder, seconds

    def run_trial(self, trial_index: int, parameterization: TParameterization) -> dict[str, Any]:
        # Named by the trial: several may be deployed in one second.
        file = self.folder / f"{trial_index}.txt"
        file.write_text(str(hartmann6(*(float(parameterization[f"x{i}"]) for i in range(1, 7)))))
        return {"file_name": str(file), "deployed_at": time.time()}

    def poll_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> TrialStatus:
        over = time.time() - trial_metadata["deployed_at"] >= self.seconds
        return TrialStatus.COMPLETED if over else TrialStatus.RUNNING


class MockMetric(IMetric):
    """Reads what the runner's system wrote."""

    def fetch(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> tuple[int, float | tuple[float, float]]:
        return 0, float(Path(trial_metadata["file_name"]).read_text())


def optimize(folder: Path, *, seconds: float = TRIAL_SECONDS, seed: int | None = None, polls: float = 1) -> Client:
    """Runs the tutorial's 30 trials, three at a time."""
    client = Client(random_seed=seed)
    client.configure_experiment(
        parameters=[RangeParameterConfig(name=f"x{i}", parameter_type="float", bounds=(0, 1)) for i in range(1, 7)],
        name="hartmann6_experiment",
        description="Optimization of the Hartmann6 function",
        owner="developer",
    )
    client.configure_optimization(objective="-hartmann6")
    client.configure_runner(runner=MockRunner(folder, seconds))
    client.configure_metrics(metrics=[MockMetric(name="hartmann6")])
    client.run_trials(
        max_trials=30, parallelism=3, tolerated_trial_failure_rate=0.1, initial_seconds_between_polls=polls
    )
    return client


def main() -> None:
    parser = argparse.ArgumentParser(description="Ax's tutorial of closed loops, with Meristem")
    parser.add_argument("--wait", type=float, default=TRIAL_SECONDS, help="seconds that a trial takes")
    parser.add_argument("--seed", type=int, default=None, help="makes the search repeatable")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        client = optimize(Path(folder), seconds=given.wait, seed=given.seed, polls=min(1.0, given.wait))
    best_parameters, prediction, index, name = client.get_best_parameterization()
    print("Best Parameters:", best_parameters)
    print("Prediction (mean, variance):", prediction)
    print(f"That was trial {index} (arm {name}); the best possible is {BEST_POSSIBLE}.")


if __name__ == "__main__":
    main()
