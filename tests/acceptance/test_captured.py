"""Scripts with the two lines of a task: what is captured, and that a worker runs them with edited parameters."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meristem.statuses import TASK_ENDED, TaskStatus
from meristem.store.store import Store
from meristem.store.task_rows import TaskRow

SCRIPTS = Path(__file__).parent / "captured"
SECONDS = 60

Run = Callable[..., TaskRow]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/meristem.db")
    yield opened
    opened.close()


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Run:
    """Runs a script by hand, and gives its task once all has arrived in the store."""

    def by_hand(script: str, *arguments: str) -> TaskRow:
        command = [sys.executable, str(SCRIPTS / f"{script}.py"), *arguments]
        subprocess.run(
            command, check=True, cwd=tmp_path, env=environment(tmp_path), capture_output=True, timeout=SECONDS
        )
        return ended(store, 1)

    return by_hand


def environment(folder: Path) -> dict[str, str]:
    left_out = ("MERISTEM_TASK", "MERISTEM_REPORT", "MERISTEM_OFFLINE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"MERISTEM_STORE": f"sqlite:///{folder}/meristem.db", "MPLBACKEND": "Agg"}


def ended(store: Store, number: int) -> TaskRow:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        row = store.tasks.find(number)
        if row is not None and row.status in TASK_ENDED:
            return row
        time.sleep(0.1)
    raise AssertionError(f"task {number} has not ended: {store.tasks.find(number)}")


def console(store: Store, number: int) -> str:
    return "".join(chunk.text for chunk in store.task_outputs.console(number))


def test_what_is_written_for_tensorboard_is_captured(run: Run, store: Store) -> None:
    row = run("with_tensorboard")
    assert row.status is TaskStatus.COMPLETED
    assert {(m.title, m.series, m.count) for m in store.task_outputs.metrics(1)} >= {
        ("loss", "train", 5), ("accuracy", "accuracy", 5),
    }  # fmt: skip
    assert [p.value for p in store.task_outputs.points(1, "loss", "train")] == pytest.approx(
        [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    )
    assert [(r.kind, r.title, r.step) for r in store.task_outputs.reports(1)] == [
        ("image", "sample", 4), ("text", "note", 4),
    ]  # fmt: skip


def test_figures_of_matplotlib_are_captured(run: Run, store: Store) -> None:
    row = run("with_matplotlib")
    assert row.status is TaskStatus.COMPLETED
    plots = store.task_outputs.reports(1, kind="plot")
    assert {plot.title for plot in plots} == {"Loss", "figure 2"}
    assert all(plot.blob and store.blobs.get(plot.blob).startswith(b"\x89PNG") for plot in plots)


EDITED: list[tuple[str, list[str], dict[str, Any], dict[str, Any], str]] = [
    (
        "with_argparse",
        ["--model", "cnn", "--epochs", "3"],
        {"Args/lr": 0.1, "Args/epochs": 3, "Args/model": "cnn", "Args/augment": False},
        {"Args/lr": 0.25, "Args/model": "mlp", "Args/augment": True},
        "lr=0.25 epochs=3 model='mlp' augment=True",
    ),
    (
        "with_click",
        ["cnn", "--epochs", "3"],
        {"Args/lr": 0.1, "Args/epochs": 3, "Args/model": "cnn"},
        {"Args/lr": 0.25, "Args/model": "mlp"},
        "lr=0.25 epochs=3 model='mlp'",
    ),
    (
        "with_hydra",
        ["epochs=3"],
        {"Hydra/optimizer/lr": 0.1, "Hydra/epochs": 3, "Hydra/model": "cnn"},
        {"Hydra/optimizer/lr": 0.25, "Hydra/model": "mlp"},
        "lr=0.25 epochs=3 model='mlp'",
    ),
]


@pytest.mark.parametrize(
    ("script", "arguments", "captured", "edits", "printed"), EDITED, ids=lambda given: str(given)[:14]
)
def test_parameters_are_captured_and_edited_ones_hold_on_a_worker(
    run: Run,
    store: Store,
    tmp_path: Path,
    script: str,
    arguments: list[str],
    captured: dict[str, Any],
    edits: dict[str, Any],
    printed: str,
) -> None:
    row = run(script, *arguments)
    assert {name: row.parameters.get(name) for name in captured} == captured
    store.queues.create("default")
    copy = store.tasks.clone(1, id="a000000000000001", parameters=edits)
    store.queues.enqueue([copy.number], "default")
    command = [sys.executable, "-m", "meristem.cli.main", "worker", "--queue", "default", "--env", "current"]
    worker = subprocess.Popen([*command, "--folder", str(tmp_path / "worker")], env=environment(tmp_path), cwd=tmp_path)
    try:
        assert ended(store, copy.number).status is TaskStatus.COMPLETED, console(store, copy.number)
    finally:
        worker.terminate()
        worker.wait(30)
    assert printed in console(store, copy.number)
    assert store.tasks.get(copy.number).parameters == {**row.parameters, **edits}
