"""One way to talk to every optimizer: `ask` for points, `tell` what was measured; and which optimizers there are.

Each adapter lives in a module of its own that is imported when it is asked for, as Meristem and its peers live in
different environments. An adapter times nothing and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from benchmarks.search.problem import Problem, Values


class Adapter(Protocol):
    """An optimizer at work on one problem."""

    version: str

    def ask(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        """`count` points to try before any of them is told, each with a token; fewer where it has no more."""
        ...

    def tell(self, token: Any, metrics: Mapping[str, float], sems: Mapping[str, float]) -> None:
        """What was measured at a point that `ask` gave."""
        ...

    def attach(self, values: Values, metrics: Mapping[str, float]) -> None:
        """A point that it did not ask for, with what was measured there."""
        ...


# Name on the command line: module, class, argument.
PEERS: Mapping[str, tuple[str, str, str]] = {
    "random": ("plain", "Random", ""),
    "sobol": ("plain", "Sobol", ""),
    "optuna-gp": ("optuna_peer", "Optuna", "gp"),
    "optuna-tpe": ("optuna_peer", "Optuna", "tpe"),
    "optuna-cmaes": ("optuna_peer", "Optuna", "cmaes"),
    "optuna-nsga2": ("optuna_peer", "Optuna", "nsga2"),
    "ax": ("ax_peer", "Ax", ""),
}
OURS = "meristem-"  # "meristem-gp" is the controller gp; "meristem-study" is auto through Study.ask and Study.tell


def adapter(peer: str, problem: Problem, seed: int) -> Adapter:
    """The optimizer of that name, ready for `problem`.

    Raises:
        KeyError: There is no such peer.
        ImportError: It is not installed in this environment.
    """
    module, name, argument = ("meristem_peer", "Meristem", peer.removeprefix(OURS)) if is_ours(peer) else PEERS[peer]
    if peer == f"{OURS}study":
        name = "MeristemStudy"
    found: Adapter = getattr(import_module(f"benchmarks.search.{module}"), name)(problem, seed, argument)
    return found


def is_ours(peer: str) -> bool:
    return peer.startswith(OURS)


def fits(peer: str, problem: Problem) -> bool:
    """Whether an optimizer can be given a problem as it is at all; NSGA-II is for several objectives."""
    several = len(problem.minimize) > 1
    return {"optuna-cmaes": not several and not problem.limits, "optuna-nsga2": several}.get(peer, True)
