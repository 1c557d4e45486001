"""Optuna's samplers with their defaults, as their users write it: suggest_*, constraints, ask and tell."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, TPESampler

from benchmarks.search.problem import Problem, Values, exists, kind_of

_SAMPLERS = {"gp": GPSampler, "tpe": TPESampler, "cmaes": CmaEsSampler, "nsga2": NSGAIISampler}
_KEY = "excesses"


class Optuna:
    """One sampler. The standard errors of noise cannot be told to it and are dropped."""

    version = optuna.__version__

    def __init__(self, problem: Problem, seed: int, sampler: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self._problem = problem
        self._distributions = {name: _distribution(spec) for name, spec in problem.space.items()}
        # The function as before version 5; trial.set_constraint says the same, but for given trials.
        limited: dict[str, Any] = {"constraints_func": lambda t: t.user_attrs[_KEY]} if problem.limits else {}
        made: BaseSampler = _SAMPLERS[sampler](seed=seed, **limited)
        self._study = optuna.create_study(directions=["minimize"] * len(problem.minimize), sampler=made)

    def ask(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        trials = [self._study.ask() for _ in range(count)]
        return [(trial, self._suggest(trial)) for trial in trials]

    def tell(self, token: Any, metrics: Mapping[str, float], sems: Mapping[str, float]) -> None:
        if self._problem.limits:
            token.set_user_attr(_KEY, list(self._problem.excesses(metrics)))
        self._study.tell(token, list(self._problem.losses(metrics)))

    def attach(self, values: Values, metrics: Mapping[str, float]) -> None:
        trial = optuna.create_trial(
            params=dict(values), distributions={name: self._distributions[name] for name in values},
            values=list(self._problem.losses(metrics)), user_attrs={_KEY: list(self._problem.excesses(metrics))},
        )  # fmt: skip
        self._study.add_trial(trial)

    def _suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, spec in self._problem.space.items():
            if not exists(spec, found):
                continue
            match kind_of(spec):
                case "float":
                    found[name] = trial.suggest_float(name, *spec["float"], log=spec.get("log", False))
                case "int":
                    found[name] = trial.suggest_int(name, *spec["int"], log=spec.get("log", False))
                case _:
                    found[name] = trial.suggest_categorical(name, spec["choice"])
        return found


def _distribution(spec: Mapping[str, Any]) -> BaseDistribution:
    match kind_of(spec):
        case "float":
            return FloatDistribution(*spec["float"], log=spec.get("log", False))
        case "int":
            return IntDistribution(*spec["int"], log=spec.get("log", False))
        case _:
            return CategoricalDistribution(spec["choice"])
