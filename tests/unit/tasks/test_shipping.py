"""Shipping a spool folder piece by piece."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import AttemptLost, StoreError, StoreUnavailable
from meristem.statuses import TaskStatus
from meristem.store.output_rows import Positions, PositionsMoved, Shipment
from meristem.tasks import shipping
from meristem.tasks.shipping import Shipping, file_in, read_console


class FakeStore:
    """Keeps shipments as a store does: refuses what does not follow on, or no longer counts."""

    def __init__(self) -> None:
        self.shipments: list[Shipment] = []
        self.at = Positions()
        self.answers: list[Exception | None] = []
        self.kept: list[bytes] = []

    task_outputs = property(lambda self: self)
    blobs = property(lambda self: self)

    def positions(self, number: int, fence: int) -> Positions:
        return self.at

    def ship(self, shipment: Shipment) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        if shipment.before != self.at:
            raise PositionsMoved
        self.shipments.append(shipment)
        self.at = shipment.after

    def put(self, path: Path) -> str:
        self.kept.append(path.read_bytes())
        return f"blob{len(self.kept)}"

    @property
    def console(self) -> str:
        return "".join(text for shipment in self.shipments for text in shipment.console)

    @property
    def steps(self) -> list[int]:
        return [step for shipment in self.shipments for curve in shipment.curves for step in curve.steps]


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def ship_all(folder: Path, store: FakeStore, **options: bool) -> Shipping:
    ship = Shipping(folder, store, 1, 1, worker="w", **options)  # type: ignore[arg-type]
    while ship.step():
        pass
    return ship


def test_an_unfinished_line_waits_for_its_end_and_counts_at_the_end_of_all(tmp_path: Path, store: FakeStore) -> None:
    report = tmp_path / "report.jsonl"
    report.write_text('{"step": 1, "a": 1.0}\n{"step": 2, "a"')
    ship = ship_all(tmp_path, store)
    assert store.steps == [1]
    with open(report, "a") as file:
        file.write(": 2.0}\n" + '{"step": 3, "a": 3.0}')
    ship.finish()
    assert store.steps == [1, 2, 3]
    assert ship.points == 3
    assert not ship.step(final=True)


def test_nothing_is_shipped_twice_where_another_shipper_was_faster(tmp_path: Path, store: FakeStore) -> None:
    (tmp_path / "report.jsonl").write_text('{"step": 1, "a": 1.0}\n')
    slow = Shipping(tmp_path, store, 1, 1, worker="w", positions=Positions())  # type: ignore[arg-type]
    ship_all(tmp_path, store)
    assert slow.step()
    assert not slow.step()
    assert store.steps == [1]


def test_what_the_store_does_not_take_is_shipped_later(tmp_path: Path, store: FakeStore) -> None:
    (tmp_path / "report.jsonl").write_text('{"step": 1, "a": 1.0}\nnonsense\n')
    store.answers = [StoreUnavailable("away"), AttemptLost(1, 1)]
    ship = Shipping(tmp_path, store, 1, 1, worker="w")  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        ship.step()
    with pytest.raises(AttemptLost):
        ship.step()
    ship.finish()
    assert store.steps == [1]
    assert ship.faults.count == 1


def test_a_line_that_no_store_takes_is_passed_over_and_no_other(tmp_path: Path, store: FakeStore) -> None:
    lines = [f'{{"step": {i}, "a": 1.0}}' for i in range(3000)]
    (tmp_path / "report.jsonl").write_text("\n".join(lines) + "\n")
    take = store.ship

    def refuse(shipment: Shipment) -> None:
        if any(1234 in curve.steps for curve in shipment.curves):
            raise StoreError("refused a statement")
        take(shipment)

    store.ship = refuse  # type: ignore[method-assign]
    ship = ship_all(tmp_path, store)
    assert store.steps == [i for i in range(3000) if i != 1234]
    assert ship.faults.count == 1


def test_long_reports_are_shipped_in_pieces(tmp_path: Path, store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "REPORT_PIECE_BYTES", 1000)
    monkeypatch.setattr(shipping, "LINE_LIMIT_BYTES", 500)
    lines = [json.dumps({"step": i, "a": float(i)}) for i in range(200)]
    lines.insert(100, "x" * 5000)  # no line is that long
    (tmp_path / "report.jsonl").write_text("\n".join(lines) + "\n")
    ship_all(tmp_path, store)
    assert store.steps == list(range(200))
    assert len(store.shipments) > 4


def test_files_are_stored_and_none_from_outside_of_the_folder(tmp_path: Path, store: FakeStore) -> None:
    folder = tmp_path / "spool"
    (folder / "files").mkdir(parents=True)
    (folder / "files/w").write_bytes(b"weights")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "files/link").symlink_to(tmp_path / "secret")
    names = ["files/w", "files/../../secret", str(tmp_path / "secret"), "files/link", "files/none", "task.json"]
    records = [{"meristem": "artifact", "name": str(i), "file": name} for i, name in enumerate(names)]
    (folder / "report.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    ship = ship_all(folder, store)
    [artifact] = store.shipments[0].artifacts
    assert (artifact.blob, artifact.size_bytes, store.kept) == ("blob1", 7, [b"weights"])
    assert ship.faults.count == 5
    with pytest.raises(ValueError, match="outside"):
        file_in(folder, "files/../task.json")


def test_on_a_worker_the_commit_that_was_checked_out_is_told(tmp_path: Path, store: FakeStore) -> None:
    (tmp_path / "report.jsonl").write_text('{"meristem": "checked_out", "commit": "c"}\n')
    ship_all(tmp_path, store)
    assert store.shipments[0].source == {"commit": "c"}


def test_on_a_worker_what_the_code_found_out_does_not_undo_an_edit(tmp_path: Path, store: FakeStore) -> None:
    (tmp_path / "report.jsonl").write_text('{"meristem": "source", "values": {"commit": "c"}}\n')
    ship_all(tmp_path, store)
    ship_all(tmp_path, other := FakeStore(), parameters_yield=False)
    assert (store.shipments[0].source, store.shipments[0].parameters_yield) == ({}, True)
    assert other.shipments[0].source == {"commit": "c"}


def test_how_it_ended_is_known_also_where_another_shipped_it(tmp_path: Path, store: FakeStore) -> None:
    lines = ['{"a": 1}', '{"meristem": "ended", "status": "failed", "message": "m"}', '{"meristem": "enqueue"}']
    (tmp_path / "report.jsonl").write_text("\n".join(lines) + "\n")
    assert ship_all(tmp_path, store).ended is not None
    later = ship_all(tmp_path, store)
    assert later.ended is not None
    assert (later.ended.status, later.ended.message) == (TaskStatus.FAILED, "m")


@given(st.binary(max_size=40), st.integers(1, 7))
def test_console_is_the_same_text_however_it_comes(data: bytes, piece: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path, at, text = Path(folder) / "console.log", 0, ""
        for end in range(0, len(data) + piece, piece):
            path.write_bytes(data[:end])
            found = read_console(path, at)
            text, at = text + "".join(found.texts), found.end
        found = read_console(path, at, final=True)
        assert text + "".join(found.texts) == data.decode(errors="replace")
        assert found.end == len(data)


def test_of_a_log_that_grows_faster_than_it_is_shipped_the_middle_is_not_read(
    tmp_path: Path, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "CONSOLE_HALF_BYTES", 1001)
    monkeypatch.setattr(shipping, "CONSOLE_PIECE_BYTES", 300)
    text = "é" * 9000 + "ü" * 9000  # two bytes each: the end begins in the middle of one
    (tmp_path / "console.log").write_text(text, encoding="utf-8")
    ship_all(tmp_path, store)
    left_out = sum(shipment.console_left_out for shipment in store.shipments)
    assert left_out > 15_000
    assert len(store.console.encode()) + left_out == len(text.encode())
    assert store.console.startswith(text[:500])
    assert store.console.endswith(text[-500:])
    assert "\ufffd" not in store.console


def test_links_and_pipes_that_a_task_puts_into_its_spool_are_not_read(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "console.log").symlink_to(outside / "secret")
    assert read_console(spool / "console.log", 0, final=True).texts == ()
    (spool / "files").symlink_to(outside)
    with pytest.raises(ValueError, match="outside"):
        file_in(spool, "files/secret")
    (spool / "console.log").unlink()
    os.mkfifo(spool / "console.log")
    assert read_console(spool / "console.log", 0, final=True).texts == ()
