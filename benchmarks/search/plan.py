"""Which runs are wanted, and in which order: most wanted first, so that a cut by time leaves equal seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.search.adapters import fits
from benchmarks.search.problem import Problem
from benchmarks.search.runs import Run

LONG = ("hartmann6", 200, 2)  # problem, trials, seeds
COST_AT = (200, 1000)
COST_ASKED = 5
COST_PROBLEMS = ("levy10", "mixed7")


def plan(
    problems: Mapping[str, Problem], peers: Mapping[str, Sequence[str]], *, seeds: int,
    batches: Sequence[int] = (1, 3), cost: bool = True,
) -> list[Run]:  # fmt: skip
    """All runs, seed by seed.

    Args:
        peers: By peer the names of the problems that it is to solve; empty: all.
        batches: How many points are asked for at once; more than one on standard problems only.
        cost: Also long runs, and runs that measure what one suggestion costs after many trials.
    """
    found: list[Run] = []
    for seed in range(seeds):
        for batch in batches:
            for problem in problems.values():
                if batch == 1 or problem.kind == "standard":
                    found += _of(problem, peers, seed, problem.trials, batch)
        if cost:
            found += _costly(problems, peers, seed)
    return found


def _costly(problems: Mapping[str, Problem], peers: Mapping[str, Sequence[str]], seed: int) -> Iterator[Run]:
    name, trials, seeds = LONG
    if seed < seeds and name in problems:
        yield from _of(problems[name], peers, seed, trials, 1)
    for name in COST_PROBLEMS if seed < 2 else ():
        for at in COST_AT if name in problems else ():
            yield from _of(problems[name], peers, seed, COST_ASKED, 1, at - COST_ASKED)


def _of(
    problem: Problem, peers: Mapping[str, Sequence[str]], seed: int, trials: int, parallel: int, attached: int = 0
) -> Iterator[Run]:
    for peer, names in peers.items():
        if (not names or problem.name in names) and fits(peer, problem):
            yield Run(seed=seed, problem=problem.name, peer=peer, trials=trials, parallel=parallel, attached=attached)
