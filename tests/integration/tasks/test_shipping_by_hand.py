"""A script that was started by hand, its shipper, and everything that may be killed between them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from integration.postgres_faults import postgres_server
from meristem.errors import InputError
from meristem.statuses import Cause, TaskStatus
from meristem.store.database import parse_url, place_of
from meristem.store.store import Store
from meristem.store.task_rows import TaskRow
from meristem.tasks.importing import export_folder, import_folder
from meristem.tasks.process_mark import process_mark
from meristem.tasks.shipped import Note, write_note
from meristem.tasks.shipper import left_overs
from meristem.tasks.spool_folder import SpoolFolder, TaskFile, new_task_id

SCRIPT = """
import json, sys, time
count, pause, end = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
with open("report.jsonl", "a") as report, open("console.log", "a") as console:
    for step in range(count):
        report.write(json.dumps({"at": time.time(), "step": step, "loss": step * 0.5}) + "\\n")
        console.write(f"step {step}\\n")
        report.flush(), console.flush()
        time.sleep(pause)
    if end:
        report.write(json.dumps({"at": time.time(), "meristem": "ended", "status": end, "message": "so"}) + "\\n")
"""


class Script:
    """A training that writes a spool folder, without a shipper."""

    def __init__(self, place: Path, count: int = 20, pause: float = 0.0, end: str = "completed") -> None:
        self.folder = SpoolFolder(place / new_task_id())
        self.folder.path.mkdir(parents=True)
        command = [sys.executable, "-c", SCRIPT, str(count), str(pause), end]
        self.process = subprocess.Popen(command, cwd=self.folder.path)
        self.file = TaskFile(
            id=self.folder.path.name, project="p", name="n", pid=self.process.pid,
            process=process_mark(self.process.pid), created_at=time.time(), parameters={"General/lr": 0.1},
        )  # fmt: skip
        self.folder.write_task(self.file)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def start(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    monkeypatch.setenv("MERISTEM_GRACE", "0.5")
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, store: str = url) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "meristem.tasks.shipper", str(folder), "--store", store]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def task_of(store: Store, script: Script) -> TaskRow:
    return store.tasks.get(script.file.id)


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def assert_whole(store: Store, number: int, count: int) -> None:
    outputs = store.task_outputs
    assert [p.step for p in outputs.points(number, "loss", "loss")] == list(range(count))
    assert outputs.metrics(number)[0].count == count
    text = "".join(chunk.text for chunk in outputs.console(number, limit=100_000))
    assert text == "".join(f"step {i}\n" for i in range(count))


def test_a_script_becomes_a_task_and_its_folder_goes(
    tmp_path: Path, url: str, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    script = Script(tmp_path / "tasks")
    script.process.wait()
    assert start(script.folder.path).wait(30) == 0
    store = Store(url)
    row = task_of(store, script)
    assert (row.status, row.message, row.parameters, row.attempt) == ("completed", "so", {"General/lr": 0.1}, 1)
    assert_whole(store, row.number, 20)
    assert not script.folder.path.exists()
    assert [w.status for w in store.workers.list(living=False)] == ["ended"]


def test_shippers_that_are_killed_at_any_moment_lose_nothing_and_write_nothing_twice(
    tmp_path: Path, url: str, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    Store(url).close()
    script = Script(tmp_path / "tasks", count=300, pause=0.01)
    chance = random.Random(1)
    for _ in range(5):
        shipper = start(script.folder.path)
        time.sleep(0.4 + chance.random() * 0.6)
        shipper.kill()
        shipper.wait()
    script.process.wait()
    assert start(script.folder.path).wait(30) == 0
    store = Store(url)
    row = task_of(store, script)
    assert (row.status, row.attempt) == ("completed", 1)
    assert_whole(store, row.number, 300)


def test_the_death_of_the_script_is_noticed_and_what_it_wrote_is_there(
    tmp_path: Path, url: str, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    script = Script(tmp_path / "tasks", count=10_000, pause=0.005)
    shipper = start(script.folder.path)
    store = Store(url)
    wait_for(lambda: (row := store.tasks.find(script.file.id)) and store.task_outputs.metrics(row.number))
    script.process.kill()
    script.process.wait()
    steps = script.folder.report.read_bytes().count(b"\n")
    assert shipper.wait(30) == 0
    row = task_of(store, script)
    assert (row.status, row.cause) == (TaskStatus.FAILED, Cause.CODE_FAILED)
    assert "killed" in (row.message or "")
    assert store.task_outputs.metrics(row.number)[0].count == steps


def test_a_script_that_is_asked_to_end_gets_the_stop_file_then_signals(
    tmp_path: Path, url: str, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    script = Script(tmp_path / "tasks", count=100_000, pause=0.05)
    shipper = start(script.folder.path)
    store = Store(url)
    wait_for(lambda: (row := store.tasks.find(script.file.id)) and row.status == "running")
    store.claims.request_abort(task_of(store, script).number, "enough")
    wait_for(script.folder.stop_asked, 3.0)
    assert script.process.wait(10) == -signal.SIGTERM
    assert shipper.wait(30) == 0
    row = task_of(store, script)
    assert (row.status, row.cause, row.message) == (TaskStatus.ABORTED, Cause.ABORTED, "enough")


def test_a_shipper_whose_lease_ran_out_takes_its_attempt_up_again(
    tmp_path: Path, url: str, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    script = Script(tmp_path / "tasks", count=100, pause=0.05)
    shipper = start(script.folder.path)
    store = Store(url)
    wait_for(lambda: (row := store.tasks.find(script.file.id)) and store.task_outputs.metrics(row.number))
    shipper.send_signal(signal.SIGSTOP)  # as a laptop that sleeps
    number = task_of(store, script).number
    store.database.write(lambda c: c.exec_driver_sql("UPDATE workers SET lease_expires_at = 0"))
    assert list(store.workers.sweep().failed) == [number]
    shipper.send_signal(signal.SIGCONT)
    script.process.wait()
    assert shipper.wait(30) == 0
    row = task_of(store, script)
    assert (row.status, row.attempt) == ("completed", 1)
    assert_whole(store, number, 100)


def test_what_a_killed_shipper_left_is_shipped_by_the_next_one_beside_it(
    tmp_path: Path, url: str, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    first, second = Script(tmp_path / "tasks", pause=0.05), Script(tmp_path / "tasks", pause=0.1)
    shipper = start(first.folder.path)
    store = Store(url)
    wait_for(lambda: store.tasks.find(first.file.id))
    shipper.kill()
    shipper.wait()
    first.process.wait()
    start(second.folder.path)
    wait_for(lambda: not first.folder.path.exists())
    assert_whole(store, task_of(store, first).number, 20)
    second.process.wait()


def test_a_task_that_was_deleted_meanwhile_is_not_made_again(
    tmp_path: Path, url: str, start: Callable[..., subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERISTEM_KEEP_SPOOLS", "1")
    script = Script(tmp_path / "tasks")
    script.process.wait()
    start(script.folder.path).wait(30)
    store = Store(url)
    store.tasks.delete(task_of(store, script).number)
    note = script.folder.path / "shipper.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "state": "shipping"}))
    start(script.folder.path).wait(30)
    assert store.tasks.find(script.file.id) is None
    assert script.folder.path.exists()


def test_a_folder_is_imported_once_however_often(tmp_path: Path, url: str) -> None:
    script = Script(tmp_path / "tasks", end="failed", pause=0.01)
    store = Store(url)
    with pytest.raises(InputError, match="still runs"):
        import_folder(script.folder.path, store)
    script.process.wait()
    archive = export_folder(script.folder.path, tmp_path / "task.zip")
    rows = [import_folder(place, store) for place in (archive, archive, script.folder.path)]
    assert [row.number for row in rows] == [1, 1, 1]
    assert (rows[0].status, rows[0].cause, rows[0].message) == ("failed", "code_failed", "so")
    assert 0.1 < (rows[0].ended_at or 0) - (rows[0].started_at or 0) < 20
    assert_whole(store, 1, 20)


def test_only_what_was_left_on_its_way_to_the_same_store_is_a_left_over(tmp_path: Path, url: str) -> None:
    script = Script(tmp_path / "tasks")
    script.process.wait()
    assert left_overs(tmp_path / "tasks", url) == []  # no shipper was there: it is kept offline
    note = Note(store=place_of(parse_url(url)), session="hand-1")
    write_note(script.folder.path, note)
    assert left_overs(tmp_path / "tasks", url) == [script.folder.path]
    assert left_overs(tmp_path / "tasks", f"{url}2") == []
    import_folder(script.folder.path, Store(url))
    assert left_overs(tmp_path / "tasks", url) == []


def test_an_import_that_was_cut_short_goes_on(tmp_path: Path, url: str) -> None:
    script = Script(tmp_path / "tasks")
    script.process.wait()
    archive = export_folder(script.folder.path, tmp_path / "task.zip")
    store = Store(url)
    import_folder(script.folder.path, store)
    # As if the machine had died in the middle: the attempt runs, the session is lost.
    store.database.write(lambda c: c.exec_driver_sql("UPDATE tasks SET status = 'failed', cause = 'machine_lost'"))
    store.database.write(lambda c: c.exec_driver_sql("UPDATE workers SET status = 'lost'"))
    row = import_folder(archive, store)
    assert (row.status, row.attempt) == ("completed", 1)
    assert_whole(store, row.number, 20)


def test_a_shipper_waits_while_the_store_is_away(tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    with postgres_server(tmp_path / "pg") as server:
        store = Store(server.url, patience=timedelta(seconds=30))
        script = Script(tmp_path / "tasks", count=200, pause=0.02)
        shipper = start(script.folder.path, server.url)
        wait_for(lambda: (row := store.tasks.find(script.file.id)) and store.task_outputs.metrics(row.number))
        server.restart(away_seconds=5.0)  # it ends while nobody can hear of it
        script.process.wait()
        assert shipper.wait(60) == 0
        assert_whole(store, task_of(store, script).number, 200)
        assert task_of(store, script).status == "completed"
        store.close()
