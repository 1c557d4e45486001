"""Tasks from Python, on every kind of store."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from meristem.errors import InputError, QueueNotFound, TaskNotFound, TaskRefused
from meristem.statuses import Cause, TaskStatus
from meristem.store.output_rows import Artifact, Curve, Positions, Shipment
from meristem.store.store import Store
from meristem.store.task_rows import Ending
from meristem.tasks.operations import StoredTask, compare_tasks


@pytest.fixture
def draft(store: Store) -> StoredTask:
    return StoredTask.create(
        "demo", "digits", script="train.py", repository="https://example.org/r.git", commit="a" * 40, tags="one",
        parameters={"lr": 0.1, "Args/epochs": 3, "optimizer": {"name": "adam"}}, packages=["numpy==2.2.0"], store=store,
    )  # fmt: skip


def run(store: Store, task: StoredTask, **shipped: object) -> None:
    """As a script by hand would: it runs, reports, and completes."""
    fence = store.tasks.start_by_hand(task.number, "s")
    places = {"before": Positions(), "after": Positions(report=1)}
    store.task_outputs.ship(Shipment(number=task.number, fence=fence, worker="s", **places, **shipped))  # type: ignore[arg-type]
    store.claims.finish("s", [Ending(number=task.number, fence=fence, status=TaskStatus.COMPLETED)])


def test_a_draft_says_what_it_was_made_with(store: Store, draft: StoredTask) -> None:
    assert draft.parameters == {"General/lr": 0.1, "Args/epochs": 3, "General/optimizer/name": "adam"}
    assert (draft.status, draft.tags, draft.row.source["entry_point"]) == ("created", ("one",), "train.py")
    assert StoredTask.get(draft.id[:8], store=store) == draft
    assert StoredTask.list(project="demo", tags="one", status="created", store=store) == [draft]
    assert StoredTask.list(name="dig", tags=["one", "two"], store=store) == []
    assert "digits" in repr(draft)


def test_a_clone_differs_in_what_is_given_and_slips_are_told(store: Store, draft: StoredTask) -> None:
    clone = draft.clone("again", parameters={"lr": 0.2, "optimizer": {"name": "sgd"}}, tags=["two"])
    assert clone.parameters == {"General/lr": 0.2, "Args/epochs": 3, "General/optimizer/name": "sgd"}
    assert (clone.name, clone.tags, clone.row.parent) == ("again", ("two",), draft.number)
    with pytest.raises(InputError, match="Did you mean 'Args/epochs'"):
        draft.clone(parameters={"Args/epoch": 4})
    assert draft.clone(parameters={"fresh": 1}, new=True).parameters["General/fresh"] == 1


def test_drafts_are_edited_and_tasks_that_ended_are_not(store: Store, draft: StoredTask) -> None:
    draft.set_source(diff="--- a\n").set_parameter("lr", 0.5).set_needs({"gpus": 1}).set_comment("c").add_tags("t")
    assert store.blobs.get(draft.row.source["diff"]["blob"]) == b"--- a\n"
    draft.set_source(commit="b" * 40, entry_point="other.py", arguments=["--fast", 1])
    source = draft.row.source
    assert "diff" not in source  # it was a change to another commit
    assert (source["commit"], source["entry_point"], source["arguments"]) == ("b" * 40, "other.py", ["--fast", "1"])
    assert (draft.row.needs.gpus, draft.comment, draft.tags) == (1, "c", ("one", "t"))
    run(store, draft)
    with pytest.raises(TaskRefused):
        draft.set_parameter("lr", 1)
    assert draft.publish().row.published_at is not None
    with pytest.raises(TaskRefused, match="published"):
        draft.add_tags("late")


def test_a_task_goes_into_a_queue_and_out_of_it(store: Store, draft: StoredTask) -> None:
    with pytest.raises(QueueNotFound):
        draft.enqueue("gpu")
    store.queues.create("gpu")
    with pytest.raises(TaskRefused, match="Enqueue it first"):
        draft.wait(0.1)
    assert draft.enqueue("gpu", priority=3, needs={"cpus": 2}).row.queue == "gpu"
    assert draft.wait(0.01) == TaskStatus.QUEUED
    assert draft.dequeue().status == TaskStatus.CREATED
    draft.enqueue("gpu", delay=60)
    assert draft.abort("no") == TaskStatus.ABORTED
    assert draft.wait() == TaskStatus.ABORTED
    assert (draft.message, draft.row.cause) == ("no", Cause.ABORTED)
    assert draft.reset().status == TaskStatus.CREATED
    assert [e.kind.value for e in draft.history][-1] == "task_reset"


def test_what_a_task_reported_is_read_back(store: Store, draft: StoredTask, tmp_path: Path) -> None:
    array = tmp_path / "w.npy"
    np.save(array, np.arange(3))
    kept = {"weights": ("npy", array.read_bytes()), "config": ("json", b'{"a": 1}'), "obj": ("pickle", pickle.dumps(5))}
    artifacts = [
        Artifact(role="artifact", name=name, format=form, blob=store.blobs.put(data), size_bytes=len(data))
        for name, (form, data) in kept.items()
    ]
    artifacts.append(Artifact(role="output_model", name="best/../m", format="file", url="s3://b/m"))
    curve = Curve(title="loss", series="train", steps=[1, 2], values=[2.0, 1.0], at=[0.0, 0.0], count=2)
    run(store, draft, artifacts=artifacts, curves=[curve], console=["0%\r100%\ndone\n"], result=[1], has_result=True)
    assert draft.metrics["loss/train"].last == 1.0
    assert [p.value for p in draft.scalars("loss", "train")] == [2.0, 1.0]
    assert (draft.console(), draft.console(raw=True)) == ("100%\ndone", "0%\r100%\ndone\n")
    assert draft.result == [1]
    assert draft.artifacts["weights"].get().tolist() == [0, 1, 2]
    assert draft.artifacts["config"].get() == {"a": 1}
    assert json.loads(draft.artifacts["config"].path(tmp_path / "out").read_text()) == {"a": 1}
    with pytest.raises(InputError, match="any code"):
        draft.artifacts["obj"].get()
    assert draft.artifacts["obj"].get(unpickle=True) == 5
    with pytest.raises(InputError, match="s3://b/m"):
        draft.output_models["best/../m"].get()


def test_tasks_are_compared_by_what_they_ran_and_reported(store: Store, draft: StoredTask) -> None:
    other = draft.clone(parameters={"lr": 0.3}).set_source(diff="+x\n")
    for task, value in ((draft, 2.0), (other, 1.0)):
        curve = Curve(title="loss", series="loss", steps=[1], values=[value], at=[0.0], count=1)
        run(store, task, curves=[curve])
    found = compare_tasks([draft, other.number], store=store)
    differences = found.to_json()["differences"]
    assert differences["parameters"] == {"General/lr": [0.1, 0.3]}
    assert differences["metrics"]["loss (last)"] == [2.0, 1.0]
    assert differences["code"]["uncommitted changes"] == [None, "1 lines"]
    assert "++x" in found.diffs[0]
    with pytest.raises(InputError, match="two tasks"):
        compare_tasks([draft])


def test_slips_are_told_before_anything_is_made(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="runs one thing"):
        StoredTask.create("p", "n", store=store)
    with pytest.raises(InputError, match="names no function"):
        StoredTask.create("p", "n", function="package.module", store=store)
    with pytest.raises(InputError, match="Did you mean 'failed'"):
        StoredTask.list(status="fail", store=store)
    with pytest.raises(InputError, match="no store"):
        StoredTask.get(1, store=f"{tmp_path}/none.db")
    with pytest.raises(TaskNotFound):
        StoredTask.get(1, store=store)
    assert StoredTask.list(store=store) == []
