"""The handler `mlflow` with a real tracking database: what MLflow then shows, and kills in between."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import meristem as ms
from fakes import ScriptedExecutor, failed
from meristem.handlers.mlflow import MlflowLog
from meristem.spool import Measurement
from meristem.study.protocols import Attempt

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'meristem[mlflow]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and what it imports warn of their own future

STUDY_SCRIPT = """
import sys, time
import meristem as ms

def train(trial):
    for step in range(4):
        trial.report(step=step, a=trial["x"] * step)
        time.sleep(0.4)
    return trial["x"]

if __name__ == "__main__":
    study = ms.Study("killed", space={"x": ms.Float(0, 1)}, objective="a", controller="random", seed=1,
                     store=f"sqlite:///{sys.argv[1]}/study.db")
    log = {"path": "meristem.handlers.mlflow.MlflowLog", "args": {"tracking_uri": sys.argv[2], "wait": 60}}
    study.run(train, trials=8, parallel=2, handlers=[log])
"""


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking database, which takes seconds to make."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)  # where MLflow makes folders for artifacts
    return f"sqlite:///{tmp_path}/mlflow.db"


class Tracked:
    """What MLflow shows of an experiment."""

    def __init__(self, uri: str, experiment: str) -> None:
        from mlflow import MlflowClient

        self.client = MlflowClient(tracking_uri=uri)
        found = self.client.get_experiment_by_name(experiment)
        self.runs = [] if found is None else list(self.client.search_runs([found.experiment_id], max_results=1000))

    @property
    def parent(self) -> Any:
        (parent,) = [run for run in self.runs if run.data.tags["meristem.kind"] == "study"]
        return parent

    @property
    def trials(self) -> dict[int, Any]:
        children = [run for run in self.runs if run.data.tags.get("mlflow.parentRunId") == self.parent.info.run_id]
        numbers = [int(run.data.tags["meristem.trial"]) for run in children]
        assert len(set(numbers)) == len(numbers) == len(self.runs) - 1, "a run is doubled"
        return dict(sorted(zip(numbers, children, strict=True)))

    def curve(self, number: int, metric: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(self.trials[number].info.run_id, metric)
        return sorted((m.step, m.value) for m in history)


def test_mlflow_shows_a_run_for_each_trial_nested_in_that_of_the_study(uri: str) -> None:
    def script(attempt: Attempt) -> Any:
        executor.measured[attempt.number] = [
            Measurement(metric="a", step=step, value=float(step), at=100.0) for step in range(1200)
        ]
        return failed("no memory") if attempt.number == 2 else {"a": float(attempt.number), "f1 (macro)": 0.5}

    executor = ScriptedExecutor(script)
    space = {"lr.float.train$0:a@b": ms.Float(0, 1), "long": ms.Choice(["x" * 7000])}
    study = ms.Study("s", space=space, objective="a", controller="random", seed=1)
    study.run(executor=executor, handlers=[MlflowLog(uri, experiment="of its own", wait=60)], trials=3)
    seen = Tracked(uri, "of its own")
    assert seen.parent.info.status == "FINISHED"
    assert seen.parent.data.metrics["final/a"] == 3.0
    assert [run.info.status for run in seen.trials.values()] == ["FINISHED", "FAILED", "FINISHED"]
    assert seen.curve(3, "a") == [(step, float(step)) for step in range(1200)]
    first, second, third = seen.trials.values()
    assert first.data.params["lr.float.train_0:a_b"] == str(study.trials[0]["lr.float.train$0:a@b"])
    assert len(first.data.params["long"]) == 6000
    assert first.data.tags["meristem.cut"] == "long"
    assert second.data.tags["meristem.error"] == "no memory"
    assert third.data.metrics["final/f1 _macro_"] == 0.5
    assert third.info.end_time > third.info.start_time


def test_a_study_that_was_killed_goes_on_with_the_same_runs(uri: str, tmp_path: Path) -> None:
    script = tmp_path / "study.py"
    script.write_text(STUDY_SCRIPT)
    command = [sys.executable, str(script), str(tmp_path), uri]
    before: dict[int, str] = {}
    engine = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not before and time.monotonic() < end:
        time.sleep(0.1)
        seen = Tracked(uri, "killed")
        before = {n: run.info.run_id for n, run in (seen.trials if seen.runs else {}).items()}
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    before = {n: run.info.run_id for n, run in Tracked(uri, "killed").trials.items()}
    assert 0 < len(before) < 8
    subprocess.run(command, check=True, timeout=150)
    seen = Tracked(uri, "killed")
    assert list(seen.trials) == list(range(1, 9))
    assert {run.info.status for run in seen.trials.values()} == {"FINISHED"}
    assert seen.parent.info.status == "FINISHED"
    assert before.items() <= {n: run.info.run_id for n, run in seen.trials.items()}.items()
    study = ms.Study.open("killed", store=f"sqlite:///{tmp_path}/study.db")
    for trial in study.trials:
        assert seen.trials[trial.number].data.metrics["final/a"] == trial.value
        if trial.attempt == 1:
            assert len(seen.curve(trial.number, "a")) == 4
