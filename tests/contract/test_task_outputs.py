"""What every store must do with the outputs of tasks, and with big bytes."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from blake3 import blake3

from meristem.errors import AttemptLost, InputError, StoreDamaged, StoreError
from meristem.store import task_console
from meristem.store.output_rows import Artifact, Curve, Positions, PositionsMoved, Report, Shipment
from meristem.store.store import Store
from meristem.store.stored_blobs import StoredBlobs
from meristem.store.tables import NO_STEP, stored_blobs
from meristem.store.task_rows import NewTask

START = Positions()


@pytest.fixture
def number(store: Store) -> int:
    row = store.tasks.create(NewTask(id="a" * 16, project="p", name="n", parameters={"General/lr": 0.1}))
    store.tasks.start_by_hand(row.number, "session")
    return row.number


def curve(values: dict[int, float], title: str = "loss", series: str = "train") -> Curve:
    return Curve(
        title=title, series=series, steps=list(values), values=list(values.values()), at=[1.0] * len(values),
        count=len(values),
    )  # fmt: skip


def ship(store: Store, number: int, before: int = 0, after: int = 1, **fields: object) -> None:
    places = {"before": Positions(report=before), "after": Positions(report=after)}
    store.task_outputs.ship(Shipment(number=number, fence=1, worker="session", **places, **fields))  # type: ignore[arg-type]


def test_points_come_back_by_step_with_a_summary(store: Store, number: int) -> None:
    ship(store, number, curves=[curve({2: 3.0, 1: math.nan, 7: math.inf}), curve({NO_STEP: 5.0}, "acc", "acc")])
    ship(store, number, 1, 2, curves=[curve({7: -1.0, 8: 2.0})])
    points = store.task_outputs.points(number, "loss", "train")
    assert [p.step for p in points] == [1, 2, 7, 8]
    assert math.isnan(points[0].value)
    assert [p.value for p in points[1:]] == [3.0, -1.0, 2.0]
    [acc, loss] = store.task_outputs.metrics(number)
    assert (acc.last, acc.last_step, acc.count) == (5.0, None, 1)
    assert (loss.count, loss.last, loss.last_step, loss.min, loss.max) == (5, 2.0, 8, -1.0, 3.0)
    assert store.task_outputs.points(number, "loss", "other") == []


def test_a_late_lower_step_is_not_the_last_and_a_final_value_is(store: Store, number: int) -> None:
    ship(store, number, curves=[curve({9: 9.0})])
    ship(store, number, 1, 2, curves=[curve({3: 3.0})])
    assert store.task_outputs.metrics(number)[0].last == 9.0
    ship(store, number, 2, 3, curves=[curve({NO_STEP: 1.0})])
    ship(store, number, 3, 4, curves=[curve({99: 2.0})])
    assert (store.task_outputs.metrics(number)[0].last, store.task_outputs.metrics(number)[0].last_step) == (1.0, None)


def test_two_curves_of_one_cleaned_name_become_one(store: Store, number: int) -> None:
    ship(store, number, curves=[curve({1: 1.0}, "a\0"), curve({1: 2.0, 2: 3.0}, "a\\0")])
    assert [p.value for p in store.task_outputs.points(number, "a\\0", "train")] == [2.0, 3.0]
    assert store.task_outputs.metrics(number)[0].count == 3


def test_points_are_paged_and_thinned_without_losing_a_spike(store: Store, number: int) -> None:
    ship(store, number, curves=[curve({i: 100.0 if i == 350 else math.sin(i) for i in range(1000)})])
    outputs = store.task_outputs
    assert [p.step for p in outputs.points(number, "loss", "train", after_step=10, limit=2)] == [11, 12]
    thin = outputs.points(number, "loss", "train", max_points=50)
    assert len(thin) <= 50
    assert (thin[0].step, thin[-1].step, max(p.value for p in thin)) == (0, 999, 100.0)
    assert [p.step for p in thin] == sorted(p.step for p in thin if p.step is not None)


def test_a_shipment_that_arrived_is_not_written_twice(store: Store, number: int) -> None:
    for _ in range(2):
        ship(store, number, curves=[curve({1: 1.0})], console=["hello\n"])
    assert store.task_outputs.metrics(number)[0].count == 1
    assert [c.text for c in store.task_outputs.console(number)] == ["hello\n"]
    assert store.task_outputs.positions(number, 1) == Positions(report=1)


def test_a_shipment_that_does_not_follow_on_what_is_there_is_refused_whole(store: Store, number: int) -> None:
    ship(store, number, 0, 5)
    with pytest.raises(PositionsMoved):
        ship(store, number, 3, 6, curves=[curve({1: 1.0})])
    assert store.task_outputs.metrics(number) == []


def test_an_attempt_that_no_longer_counts_can_write_nothing(store: Store, number: int) -> None:
    for fence, worker in ((2, "session"), (1, "another")):
        places = {"before": START, "after": Positions(report=1)}
        with pytest.raises(AttemptLost):
            store.task_outputs.ship(Shipment(number=number, fence=fence, worker=worker, **places, console=["x"]))
    assert store.task_outputs.console(number) == []


def test_console_is_read_on_by_cursor_and_from_its_end(store: Store, number: int) -> None:
    ship(store, number, console=["one\n", "two\n"])
    ship(store, number, 1, 2, console=["three ü\0\n"])
    chunks = store.task_outputs.console(number, after=1)
    assert [c.text for c in chunks] == ["two\n", "three ü\\0\n"]
    assert store.task_outputs.console(number, after=chunks[-1].number) == []
    assert [c.text for c in store.task_outputs.console_tail(number, 1)] == ["two\n", "three ü\\0\n"]


def test_of_a_long_console_the_beginning_and_the_end_are_kept(
    store: Store, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_console, "CONSOLE_HALF_BYTES", 100)
    for i in range(100):
        ship(store, number, i, i + 1, console=[f"{i:09}\n"])
    chunks = store.task_outputs.console(number)
    text = "".join(c.text for c in chunks)
    assert text.startswith("".join(f"{i:09}\n" for i in range(10)) + "\n… 800 bytes were left out here …\n")
    assert text.endswith("".join(f"{i:09}\n" for i in range(90, 100)))
    ship(store, number, 100, 101, console=["end\n"], console_left_out=5000)
    chunks = store.task_outputs.console(number)
    assert [c.text for c in chunks[10:]] == ["\n… 5,900 bytes were left out here …\nend\n"]


def test_the_same_report_again_replaces_it(store: Store, number: int) -> None:
    first = Report(kind="plot", title="roc", series="val", step=1, format="png", blob="b", size_bytes=3, at=1.0)
    note = Report(kind="text", title="note", series="note", format="text", text="a\0b", at=2.0)
    ship(store, number, reports=[first, note, note])
    second = Report(kind="plot", title="roc", series="val", step=1, format="png", blob="c", size_bytes=4, at=2.0)
    ship(store, number, 1, 2, reports=[second])
    [plot, text] = store.task_outputs.reports(number)
    assert (plot.blob, plot.step, plot.size_bytes, plot.attempt) == ("c", 1, 4, 1)
    assert (text.text, text.step) == ("a\\0b", None)
    assert store.task_outputs.reports(number, kind="text") == [text]


def test_reports_are_told_in_short_by_kind_title_and_series(store: Store, number: int) -> None:
    def plot(step: int | None, form: str = "png", **more: Any) -> Report:
        return Report(kind="plot", title="roc", series="val", step=step, format=form, size_bytes=3, at=1.0, **more)

    assert store.task_outputs.report_summaries(number) == []
    note = Report(kind="text", title="note", series="note", format="text", text="a", size_bytes=1, at=2.0)
    ship(store, number, reports=[plot(1, blob="b"), plot(2, "svg", blob="c", vector="v"), note])
    roc, text = store.task_outputs.report_summaries(number)
    assert (roc.count, roc.last_step, roc.format, roc.size_bytes) == (2, 2, "svg", 6)
    assert (text.count, text.last_step, text.format, text.size_bytes, text.at) == (1, None, "text", 1, 2.0)
    assert [(r.vector, r.text) for r in store.task_outputs.reports(number, kind="plot")] == [(None, None), ("v", None)]


def test_artifacts_tags_comment_progress_result_and_parameters_reach_the_task(store: Store, number: int) -> None:
    artifacts = [Artifact(role="artifact", name="w", format="npy", blob=b, metadata={"k": [1]}) for b in ("1", "2")]
    ship(
        store, number, artifacts=artifacts, add_tags=["a", "b", "a"], comment="hm", progress=0.5, result={"x": 1},
        has_result=True, parameters={"General/lr": 0.2, "General/new": 1},
    )  # fmt: skip
    ship(store, number, 1, 2, remove_tags=["a"], parameters={"General/lr": 9, "General/z": 0}, parameters_yield=True)
    [found] = store.task_outputs.artifacts(number)
    assert (found.blob, found.metadata, found.attempt) == ("2", {"k": [1]}, 1)
    row = store.tasks.get(number)
    assert (row.tags, row.comment, row.progress, row.result) == (("b",), "hm", 0.5, {"x": 1})
    assert row.parameters == {"General/lr": 0.2, "General/new": 1, "General/z": 0}


def test_what_earlier_attempts_put_out_is_kept_apart(store: Store, number: int) -> None:
    ship(store, number, curves=[curve({1: 1.0})])
    assert store.task_outputs.attempts(number) == [1]
    assert store.task_outputs.metrics(number, attempt=2) == []


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (2 << 20) + 5])
def test_a_blob_in_the_database_comes_back(store: Store, size: int) -> None:
    blobs = StoredBlobs(store.database)
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    name = blobs.put(content)
    assert blobs.put(io.BytesIO(content)) == name
    assert blobs.exists(name)
    assert blobs.get(name) == content


def test_a_blob_that_was_not_written_whole_is_not_there(store: Store) -> None:
    blobs = StoredBlobs(store.database)
    name = blobs.put(b"a" * (3 << 20))
    gone = stored_blobs.delete().where(stored_blobs.c.part == 0)
    store.database.write(lambda connection: connection.execute(gone))
    assert not blobs.exists(name)
    with pytest.raises(StoreError, match="no blob"):
        blobs.get(name)
    assert blobs.put(b"a" * (3 << 20)) == name
    assert len(blobs.get(name)) == 3 << 20


def test_a_writer_that_dies_in_the_middle_of_a_blob_leaves_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = StoredBlobs(store.database)
    write, content = blobs._write_part, b"a" * (3 << 20)

    def die_at_the_third(name: str, part: int, block: bytes) -> None:
        if part == 2:
            raise KeyboardInterrupt
        write(name, part, block)

    monkeypatch.setattr(blobs, "_write_part", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        blobs.put(content)
    assert not blobs.exists(blake3(content).hexdigest())


def test_a_damaged_blob_is_told(store: Store) -> None:
    blobs = StoredBlobs(store.database)
    name = blobs.put(b"abc")
    store.database.write(lambda connection: connection.execute(stored_blobs.update().values(content=b"abd")))
    with pytest.raises(StoreDamaged):
        blobs.get(name)
    with pytest.raises(InputError):
        blobs.get("../x")


def test_a_store_has_a_place_for_blobs_and_it_can_be_chosen(store: Store, tmp_path: object) -> None:
    assert store.blobs.get(store.blobs.put(b"one")) == b"one"
    store.set_blobs_url(f"{tmp_path}/elsewhere")
    assert store.blobs_url.endswith("elsewhere")
    assert store.blobs.get(store.blobs.put(b"two")) == b"two"
    store.set_blobs_url(None)
    assert store.blobs.get(store.blobs.put(b"one")) == b"one"


def test_an_attempt_whose_lease_ran_out_is_taken_up_again_with_what_it_shipped(store: Store, number: int) -> None:
    ship(store, number, 0, 7, curves=[curve({1: 1.0})])
    with pytest.raises(AttemptLost):
        store.by_hand.revive(number, lost="session", session="next")  # it runs
    give_up(store)
    with pytest.raises(AttemptLost):
        ship(store, number, 7, 8)
    fence = store.by_hand.revive(number, lost="session", session="next")
    assert store.by_hand.revive(number, lost="session", session="next") == fence
    assert store.task_outputs.positions(number, fence) == Positions(report=7)
    assert store.tasks.get(number).attempt == 1
    assert [p.step for p in store.task_outputs.points(number, "loss", "train")] == [1]


def give_up(store: Store) -> None:
    from meristem.statuses import Cause
    from meristem.store.attempts import give_up_attempts
    from meristem.store.task_log import TaskTeller

    store.database.write(
        lambda c: give_up_attempts(c, TaskTeller(store.database), ["session"], cause=Cause.MACHINE_LOST, message="")
    )
