"""One measurement in a process of its own: `worker.py PEER WHAT ARGUMENT…`; prints one line of JSON.

Ax and Meristem run the very same script, since Meristem's client has Ax's names.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
warnings.simplefilter("ignore")

API = {"ax": "ax.api", "meristem": "meristem.client"}
PARAMETERS = ("x", "y")


def value_of(x: float, y: float) -> float:
    return (x - 0.3) ** 2 + (y - 0.6) ** 2


def loop(peer: str, trials: int, parallel: int, seconds: float) -> dict[str, float]:
    """Wall time of a closed loop whose trials take `seconds` outside."""
    if peer == "optuna":
        return _optuna_loop(trials, parallel, seconds)
    runner = import_module(f"{API[peer]}.protocols.runner")
    metric = import_module(f"{API[peer]}.protocols.metric")
    since: dict[int, tuple[float, float]] = {}

    class Outside(runner.IRunner):  # type: ignore[name-defined, misc]
        def run_trial(self, trial_index: int, parameterization: Any) -> dict[str, Any]:
            since[trial_index] = (time.monotonic(), value_of(**parameterization))
            return {"job": trial_index}

        def poll_trial(self, trial_index: int, trial_metadata: Any) -> Any:
            ended = time.monotonic() - since[trial_index][0] >= seconds
            return runner.TrialStatus.COMPLETED if ended else runner.TrialStatus.RUNNING

    class Value(metric.IMetric):  # type: ignore[name-defined, misc]
        def fetch(self, trial_index: int, trial_metadata: Any) -> tuple[int, float]:
            return 0, since[trial_index][1]

    for count in (1, trials):  # the first loop loads what is loaded late
        client = _client(peer)
        client.configure_runner(Outside())
        client.configure_metrics([Value(name="m")])
        started = time.monotonic()
        client.run_trials(max_trials=count, parallelism=parallel, initial_seconds_between_polls=0)
    return {"wall_s": time.monotonic() - started}


def saving(peer: str, trials: int) -> dict[str, float]:
    """CPU time of asking and telling with a SQLite file, beyond that without one; and of loading it again."""
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        for url, counts in ((None, False), (None, True), (f"sqlite:///{folder}/loop.db", True)):
            ask, load = _OPEN[peer](url)
            started = time.process_time()
            for _ in range(trials):
                ask()
            spent += [time.process_time() - started] if counts else []  # the first time everything is loaded
        started = time.perf_counter()
        load()
        loaded = time.perf_counter() - started
    return {"save_ms": 1000 * (spent[1] - spent[0]) / trials, "all_ms": 1000 * spent[1] / trials, "load_s": loaded}


def importing(peer: str) -> dict[str, float]:
    started = time.process_time()
    import_module({"ax": "ax.api.client", "meristem": "meristem.client", "optuna": "optuna"}[peer])
    return {"import_s": time.process_time() - started}


def _client(peer: str, url: str | None = None) -> Any:
    client, configs = import_module(f"{API[peer]}.client"), import_module(f"{API[peer]}.configs")
    logging.disable(logging.WARNING)
    storage = None if url is None else configs.StorageConfig(url=url)
    if peer == "ax" and url is not None:
        db = import_module("ax.storage.sqa_store.db")
        db.init_engine_and_session_factory(url=url, force_init=True)
        db.create_all_tables(db.get_engine())
    made = client.Client(storage_config=storage, random_seed=0)
    space = [configs.RangeParameterConfig(name=p, parameter_type="float", bounds=(0, 1)) for p in PARAMETERS]
    made.configure_experiment(name="loop", parameters=space)
    made.configure_optimization(objective="-m")
    made.configure_generation_strategy(method="random_search")
    return made


def _client_saving(peer: str) -> Callable[[str | None], tuple[Callable[[], None], Callable[[], None]]]:
    def opened(url: str | None) -> tuple[Callable[[], None], Callable[[], None]]:
        client = _client(peer, url)

        def ask() -> None:
            for index, parameters in client.get_next_trials(max_trials=1).items():
                client.complete_trial(trial_index=index, raw_data={"m": value_of(**parameters)})

        def load() -> None:
            configs = import_module(f"{API[peer]}.configs")
            kind = import_module(f"{API[peer]}.client").Client
            kind.load_from_database(experiment_name="loop", storage_config=configs.StorageConfig(url=url))

        return ask, load

    return opened


def _optuna_saving(url: str | None) -> tuple[Callable[[], None], Callable[[], None]]:
    import optuna

    optuna.logging.disable_default_handler()
    study = optuna.create_study(storage=url, study_name="loop", sampler=optuna.samplers.RandomSampler(seed=0))

    def ask() -> None:
        trial = study.ask()
        study.tell(trial, value_of(*(trial.suggest_float(name, 0, 1) for name in PARAMETERS)))

    return ask, lambda: optuna.load_study(study_name="loop", storage=url).trials and None


def _optuna_loop(trials: int, parallel: int, seconds: float) -> dict[str, float]:
    import optuna

    optuna.logging.disable_default_handler()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def train(trial: Any) -> float:
        time.sleep(seconds)
        return value_of(*(trial.suggest_float(name, 0, 1) for name in PARAMETERS))

    started = time.monotonic()
    study.optimize(train, n_trials=trials, n_jobs=parallel)
    return {"wall_s": time.monotonic() - started}


_OPEN = {"ax": _client_saving("ax"), "meristem": _client_saving("meristem"), "optuna": _optuna_saving}


def main() -> None:
    peer, what, *more = sys.argv[1:]
    numbers = [float(text) for text in more]
    if what == "loop":
        found = loop(peer, int(numbers[0]), int(numbers[1]), numbers[2])
    else:
        found = saving(peer, int(numbers[0])) if what == "saving" else importing(peer)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
