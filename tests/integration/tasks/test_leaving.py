"""A live script with its real shipper: it becomes a task, or leaves itself to workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from meristem import Task
from meristem.statuses import TaskStatus
from meristem.store.store import Store

SCRIPT = """
import sys
from meristem import Task
task = Task.init("demo", "digits", tags=["t"])
settings = task.connect({"lr": 0.1})
if sys.argv[1:]:
    task.execute_remotely(sys.argv[1], priority=2)
for step in range(1000):
    task.report(step=step, loss=settings["lr"] / (step + 1))
print("trained")
task.upload_artifact("settings", settings)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/store.db")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def run(place: Path, *arguments: str, script: str = SCRIPT) -> subprocess.CompletedProcess[str]:
    (place / "train.py").write_text(script)
    home = str(Path(__file__).parents[3] / "src")
    environment = {**os.environ, "PYTHONPATH": home, "MERISTEM_STORE": f"{place}/store.db"}
    environment.pop("MERISTEM_TASK", None)
    command = [sys.executable, "train.py", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False)


def ended(store: Store, *statuses: str) -> Task:
    deadline = time.monotonic() + 30
    while not (found := Task.list(status=statuses, store=store)):
        assert time.monotonic() < deadline, Task.list(store=store)
        time.sleep(0.05)
    return found[0]  # type: ignore[return-value]


def test_a_script_becomes_a_task_with_all_that_it_reported(tmp_path: Path, store: Store) -> None:
    assert run(tmp_path).returncode == 0
    task = ended(store, *(s for s in TaskStatus if s not in ("created", "running")))
    assert (task.status, task.tags, task.parameters) == (TaskStatus.COMPLETED, ("t",), {"General/lr": 0.1})
    assert task.metrics["loss"].count == 1000
    assert "trained" in task.console()
    assert task.artifacts["settings"].get() == {"lr": 0.1}
    assert task.row.source["entry_point"] == "train.py"


def test_a_script_that_leaves_itself_to_workers_waits_in_their_queue_as_it_was_captured(
    tmp_path: Path, store: Store
) -> None:
    store.queues.create("gpu")
    ran = run(tmp_path, "gpu")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "goes to the workers of queue gpu" in ran.stderr
    task = ended(store, "queued")
    assert (task.row.queue, task.row.priority, task.row.attempt, task.parameters) == ("gpu", 2, 0, {"General/lr": 0.1})
    assert task.row.source["arguments"] == ["gpu"]
    assert task.metrics == {}


def test_a_queue_that_does_not_exist_is_told_to_the_script(tmp_path: Path, store: Store) -> None:
    ran = run(tmp_path, "none")
    assert ran.returncode == 1
    assert "Queue 'none' does not exist" in ran.stderr
    task = ended(store, "failed")
    assert "QueueNotFound" in (task.message or "")


@pytest.mark.parametrize("seconds", [0, 3])
def test_a_script_that_is_asked_for_help_leaves_no_task_in_the_store(
    tmp_path: Path, store: Store, seconds: float
) -> None:
    parsing = "import argparse, time\nfrom meristem import Task\nTask.init('demo', 'digits')\n"
    parsing += f"time.sleep({seconds})\nargparse.ArgumentParser().parse_args()\n"
    assert run(tmp_path, "--help", script=parsing).returncode == 0
    wait_for(lambda: not list((tmp_path / "meristem-tasks").iterdir()))
    assert Task.list(store=store) == []
    assert store.workers.list() == []
