"""One run of a study in two slots: `engine.py KIND FOLDER`. A trial goes on until FOLDER/go-NUMBER exists."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import meristem as ms
from meristem.executors.mmar import MmarExecutor
from meristem.executors.runner import RunnerExecutor

WAIT = "while [ ! -e {go} ]; do sleep 0.05; done"
CONFIG = {
    "learning_rate": 0.1,
    "search": [{"domain": "lr", "type": "float", "args": ["learning_rate"], "targets": [0.01, 1.0]}],
}


class Outside:
    """A system outside, in which a trial runs until it is stopped or may end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run_trial(self, number: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"number": number}

    def poll_trial(self, number: int, metadata: Mapping[str, Any]) -> str:
        if (self.folder / f"stopped-{number}").exists():
            return "stopped"
        return "completed" if (self.folder / f"go-{number}").exists() else "running"

    def stop_trial(self, number: int, metadata: Mapping[str, Any]) -> None:
        (self.folder / f"stopped-{number}").touch()


class Metric:
    name = "a"

    def fetch(self, number: int, metadata: Mapping[str, Any]) -> tuple[int, float]:
        return 1, 0.5


def listening(folder: Path) -> Callable[[ms.Trial], float]:
    def train(trial: ms.Trial) -> float:
        step = 0
        while not (folder / f"go-{trial.number}").exists():
            time.sleep(0.05)
            step += 1
            trial.report(step=step, a=0.1)
        return 1.0

    return train


def deaf(folder: Path) -> Callable[[ms.Trial], float]:
    def train(trial: ms.Trial) -> float:
        while not (folder / f"go-{trial.number}").exists():
            time.sleep(0.05)
        return 1.0

    return train


def make_mmar(folder: Path) -> Path:
    mmar = folder / "an mmar"
    for name in ("config", "commands", "models"):
        (mmar / name).mkdir(parents=True, exist_ok=True)
    (mmar / "config" / "config_train.json").write_text(json.dumps(CONFIG))
    go = f'"{folder}/go-${{MMAR_ROOT##*_J}}"'
    stats = '{"best_metric": 0.5}'
    (mmar / "commands" / "train.sh").write_text(f"{WAIT.format(go=go)}\necho '{stats}' > models/train_stats.json\n")
    return mmar


def main(kind: str, folder: Path) -> None:
    space: Any = {"x": {"float": [0, 1]}}
    how: dict[str, Any] = {}
    if kind == "function":
        how = {"function": listening(folder)}
    elif kind == "deaf function":
        how = {"function": deaf(folder)}
    elif kind == "thread":
        how = {"function": listening(folder), "isolate": False}
    elif kind == "command":
        command = f"echo $$ > {folder}/pid-{{trial}}; {WAIT.format(go=f'{folder}/go-{{trial}}')}; echo {{x}}"
        how = {"executor": {"name": "command", "args": {"command": command, "gpus": "0,1:2"}}}
    elif kind == "mmar":
        executor = MmarExecutor(make_mmar(folder), run_id="r", metric="a", slots=2)
        space, how = executor.space, {"executor": executor}
    elif kind == "runner":
        how = {"executor": RunnerExecutor(Outside(folder), [Metric()])}
    study = ms.Study("s", space=space, objective="a", controller="random", seed=1, store=f"sqlite:///{folder}/s.db")
    study.run(**how, trials=6, parallel=2, handlers=[], wait=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
