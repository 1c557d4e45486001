"""Problems and clients that the tests of the client share."""

from __future__ import annotations

import math
from typing import Any

from meristem.client import Client, RangeParameterConfig, StorageConfig

_WEIGHTS = (1.0, 1.2, 3.0, 3.2)
_SLOPES = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
_CENTRES = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def hartmann6(**x: float) -> float:
    return -sum(
        weight
        * math.exp(-sum(a * (x[f"x{i}"] - p) ** 2 for i, (a, p) in enumerate(zip(slopes, centre, strict=True), 1)))
        for weight, slopes, centre in zip(_WEIGHTS, _SLOPES, _CENTRES, strict=True)
    )


def numbers(count: int = 2) -> list[RangeParameterConfig]:
    return [RangeParameterConfig(name=f"x{i}", bounds=(0, 1), parameter_type="float") for i in range(1, count + 1)]


def client_of(objective: str = "-loss", *limits: str, url: str | None = None, count: int = 2, **options: Any) -> Client:
    """A client of `count` numbers from 0 to 1."""
    client = Client(None if url is None else StorageConfig(url=url), random_seed=1)
    client.configure_experiment(numbers(count), name="small", **options)
    client.configure_optimization(objective, list(limits))
    return client


def random_client(objective: str = "-loss", *limits: str, **options: Any) -> Client:
    """The same without a model, which is quick."""
    client = client_of(objective, *limits, **options)
    client.configure_generation_strategy("random_search")
    return client


def sphere(parameters: Any) -> float:
    return float(sum((value - 0.3) ** 2 for value in parameters.values()))


def run_by_hand(client: Client, count: int) -> None:
    """Asks for `count` trials of one metric, one at a time, and tells what came of them."""
    for _ in range(count):
        for index, parameters in client.get_next_trials(max_trials=1).items():
            client.complete_trial(index, {"loss": sphere(parameters)})
