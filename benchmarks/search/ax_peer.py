"""Ax's Client with its default generation strategy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

warnings.simplefilter("ignore")  # before Ax is imported, whose dependencies warn

# ruff: noqa: E402

import torch
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
from ax.utils.common.logger import set_ax_logger_levels

from benchmarks.search.problem import Problem, Values, exists, kind_of

_ROOT = "root"  # Ax wants one parameter above all others of a conditional space


class Ax:
    """Ax, one thread. Limits and standard errors are told to it in its own words."""

    version = version("ax-platform")

    def __init__(self, problem: Problem, seed: int, _: str = "") -> None:
        set_ax_logger_levels(logging.CRITICAL)
        logging.disable(logging.WARNING)
        torch.set_num_threads(1)
        self._space = problem.space
        self._conditional = any("when" in spec for spec in problem.space.values()) and self._is_tree()
        self._client = Client(random_seed=seed)
        self._client.configure_experiment(parameters=self._parameters())
        self._client.configure_optimization(objective=problem.objective, outcome_constraints=list(problem.limits))

    def ask(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        got: list[tuple[Any, dict[str, Any]]] = []
        while len(got) < count:  # it may give fewer than asked for
            new = self._client.get_next_trials(max_trials=count - len(got))
            if not new:
                break
            got += [(token, self._ours(values)) for token, values in new.items()]
        return got

    def tell(self, token: Any, metrics: Mapping[str, float], sems: Mapping[str, float]) -> None:
        told = {name: (value, sems[name]) if name in sems else value for name, value in metrics.items()}
        self._client.complete_trial(trial_index=token, raw_data=told)

    def attach(self, values: Values, metrics: Mapping[str, float]) -> None:
        given = {**values, _ROOT: "all"} if self._conditional else dict(values)
        self.tell(self._client.attach_trial(parameters=given), metrics, {})

    def _ours(self, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, spec in self._space.items():
            if exists(spec, found):
                found[name] = values[name]
        return found

    def _is_tree(self) -> bool:
        """Whether each parameter exists under one value of one parent: other conditions Ax takes for a cycle.

        Where it is not, Ax is given all parameters as if they always existed, and those that do not are ignored.
        """
        whens = [spec.get("when", {}) for spec in self._space.values()]
        return all(len(when) < 2 and not any(isinstance(v, list) for v in when.values()) for when in whens)

    def _parameters(self) -> list[Any]:
        made = [self._parameter(name, spec) for name, spec in self._space.items()]
        if self._conditional:
            free = [name for name, spec in self._space.items() if "when" not in spec]
            made.append(_choice(_ROOT, ["all"], {"all": free}))
        return made

    def _parameter(self, name: str, spec: Mapping[str, Any]) -> Any:
        kind, children = kind_of(spec), self._children(name)
        if kind == "choice":
            return _choice(name, list(spec["choice"]), children, ordered=spec.get("ordered", False))
        if children:  # only choices may have dependent parameters
            low, high = spec[kind]
            return _choice(name, list(range(low, high + 1)), children, ordered=True)
        scaling = "log" if spec.get("log") else None
        return RangeParameterConfig(name=name, parameter_type=kind, bounds=tuple(spec[kind]), scaling=scaling)

    def _children(self, parent: str) -> dict[Any, list[str]]:
        found: dict[Any, list[str]] = {}
        for name, spec in self._space.items() if self._conditional else ():
            allowed = spec.get("when", {}).get(parent)
            for value in allowed if isinstance(allowed, list) else [] if allowed is None else [allowed]:
                found.setdefault(value, []).append(name)
        return found


def _choice(name: str, values: list[Any], children: Mapping[Any, list[str]], ordered: bool = False) -> Any:
    kind = "int" if isinstance(values[0], int) else "str"
    return ChoiceParameterConfig(
        name=name, values=values, parameter_type=kind, is_ordered=ordered, dependent_parameters=dict(children) or None
    )
