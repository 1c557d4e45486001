"""One run: an optimizer, a problem, a seed; carried out here, kept as one line of JSON, found again by what it was."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.adapters import adapter, is_ours
from benchmarks.search.problem import Problem, point_at

ROOT = Path(__file__).parents[2]
_DECIDE = ("bayesopt/*.py", "controllers/*.py", "space/*.py", "objective.py", "linear.py")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Run:
    """What is to be run.

    Attributes:
        parallel: Points asked for before any of them is told.
        attached: Points of a Sobol sequence that are told before the first is asked for; such runs measure cost.
    """

    seed: int
    problem: str
    peer: str
    trials: int
    parallel: int = 1
    attached: int = 0


def carry_out(run: Run, problem: Problem) -> dict[str, Any]:
    """Runs it; time is that inside the optimizer, asking and telling, by trial.

    Raises:
        Exception: Whatever the optimizer raises.
    """
    np.random.seed(run.seed)  # for optimizers that use the global generator
    optimizer = adapter(run.peer, problem, run.seed)
    for number, unit in enumerate(_spread(problem, run.attached, run.seed), 1):
        values = point_at(problem.space, unit)
        optimizer.attach(values, problem.measure(values, number, run.seed)[0])
    exact: list[dict[str, float]] = []
    measured: list[dict[str, float]] = []
    wall: list[float] = []
    cpu: list[float] = []
    while len(exact) < run.trials:
        count = min(run.parallel, run.trials - len(exact))
        started = _clocks()
        asked = optimizer.ask(count)
        spent = _clocks() - started
        if not asked:
            break  # a finite space is used up
        for token, values in asked:
            exact.append(problem.function(values))
            found, sems = problem.measure(values, run.attached + len(exact), run.seed)
            measured.append(found)
            started = _clocks()
            optimizer.tell(token, found, sems)
            spent += _clocks() - started
        wall += [spent[0] / len(asked)] * len(asked)
        cpu += [spent[1] / len(asked)] * len(asked)
    return {
        "version": optimizer.version,
        "exact": [{k: round(v, 10) for k, v in metrics.items()} for metrics in exact],
        **({"measured": measured} if problem.noise else {}),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "wall_s": [round(v, 6) for v in wall],
        "cpu_s": [round(v, 6) for v in cpu],
    }


def _clocks() -> Any:
    return np.array([time.perf_counter(), time.process_time()])


def _spread(problem: Problem, count: int, seed: int) -> Any:
    from scipy.stats import qmc  # only runs that measure cost need it

    if not count:
        return []
    return qmc.Sobol(len(problem.space), scramble=True, rng=seed).random_base2(count.bit_length())[:count]


def fingerprint(peer: str, problem: Problem) -> str:
    """Tells whether a kept run is still of this problem and this optimizer.

    Of Meristem what decides about points counts, of peers the locked versions; of a problem its space, limits, noise
    and values.
    Who changes what an adapter asks of a peer, deletes the lines of that peer: they are hours of work.
    """
    rng = np.random.default_rng(5)
    points = [point_at(problem.space, unit) for unit in rng.random((5, len(problem.space)))]
    values = [[f"{v:.6e}" for v in problem.function(p).values()] for p in points]
    told = [dict(problem.space), list(problem.limits), list(problem.minimize), dict(problem.noise), values]
    digest = hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=6)
    sources = sorted(path for part in _DECIDE for path in (ROOT / "src/meristem").glob(part)) if is_ours(peer) else []
    for path in sources or [Path(__file__).with_name("peers.txt")]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def to_line(run: Run, found: dict[str, Any]) -> str:
    about = {"load": round(os.getloadavg()[0], 2), "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    return json.dumps({**asdict(run), **about, **found}) + "\n"


def read_lines(paths: Iterable[Path]) -> dict[Run, dict[str, Any]]:
    """What was kept, the last line of each run; a line that a crash cut short is passed over."""
    found: dict[Run, dict[str, Any]] = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[Run(**{name: record[name] for name in Run.__slots__})] = record
    return found
