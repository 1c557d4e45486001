"""Ray doing the same, without a database: what it runs is forgotten when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.queue.measure import Spent, quantiles


def run(url: str, server: int, count: int) -> dict[str, float]:
    """Runs `count` tasks that do nothing, asked for at once; only the rate (its work is in many processes)."""
    ray, nothing = _started()
    with Spent() as spent:
        ray.get([nothing.remote(index) for index in range(count)])
    ray.shutdown()
    return {"rate": count / spent.wall}


def latency(url: str, server: int, count: int) -> dict[str, float]:
    """One task at a time, from asking to the result: milliseconds."""
    ray, nothing = _started()
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        ray.get(nothing.remote(0))
        seconds.append(time.perf_counter() - began)
        time.sleep(0.01)
    ray.shutdown()
    return quantiles(seconds)


def _started() -> tuple[Any, Any]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")

    @ray.remote  # type: ignore[untyped-decorator]
    def nothing(index: int) -> None:
        return None

    ray.get([nothing.remote(index) for index in range(100)])
    return ray, nothing


WHAT: dict[str, Callable[..., Any]] = {"run": run, "latency": latency}
