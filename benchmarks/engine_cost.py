"""CPU per trial of a trivial objective, in process, beside Optuna in the same run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import optuna
from measuring import Clock, Measured

import meristem as ms

SPACE = {"x": ms.Float(0, 1), "y": ms.Float(0, 1)}
SHARE_OF_OPTUNA = 0.2
WARM_UP = 20


def trivial(trial: ms.Trial) -> float:
    return float(trial["x"] + trial["y"])


def measure(trials: int, repeats: int) -> list[Measured]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    contenders: dict[str, Callable[[str | None], None]] = {
        "Meristem": lambda store: _meristem(trials, store),
        "Optuna": lambda store: _optuna(trials, store),
    }
    _meristem(WARM_UP, None)  # what is loaded at the first use belongs to neither
    _optuna(WARM_UP, None)
    found: dict[str, list[float]] = {}
    for _ in range(repeats):  # in turns, so that a slow moment of the machine hits all
        for where in ("SQLite", "memory"):
            for name, work in contenders.items():
                found.setdefault(f"{name}, {where}", []).append(_cpu_ms_per_trial(work, where, trials))
    medians = {name: median(values) for name, values in found.items()}
    goal = SHARE_OF_OPTUNA * medians["Optuna, SQLite"]
    return [
        Measured(
            what=f"CPU per trial, {name}",
            value=value,
            unit="ms",
            at_most=goal if name == "Meristem, SQLite" else None,
            note=f"{trials:,} trials, random, one at a time; median of {repeats}",
        )
        for name, value in medians.items()
    ]


def _cpu_ms_per_trial(work: Callable[[str | None], None], where: str, trials: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'store.db'}" if where == "SQLite" else None
        with Clock() as clock:
            work(store)
    return 1000 * clock.cpu / trials


def _meristem(trials: int, store: str | None) -> None:
    study = ms.Study("overhead", space=SPACE, objective="-loss", controller="random", store=store, seed=0)
    study.run(trivial, trials=trials, isolate=False, handlers=[])


def _optuna(trials: int, store: str | None) -> None:
    study = optuna.create_study(storage=store, sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1))
