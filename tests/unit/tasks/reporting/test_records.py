"""What is reported comes into the spool as it was meant, from any thread or process, on any disk."""

from __future__ import annotations

import errno
import json
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.spool import SpoolReader
from meristem.tasks.reporting import append_file
from meristem.tasks.reporting.append_file import AppendFile
from meristem.tasks.reporting.records import ReportLines
from meristem.tasks.spool_folder import title_and_series


@pytest.fixture
def lines(tmp_path):
    made = ReportLines(tmp_path / "report.jsonl")
    yield made
    made.close()


def read(lines):
    lines.flush()
    reader = SpoolReader(lines.path)
    found = reader.read(final=True)
    assert reader.faults == []
    return found


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_scalars_of_a_step_share_a_line(lines):
    lines.scalar("loss", "train", 0.5, 1)
    lines.scalar("loss", "val", 0.6, 1)
    lines.scalar("loss", "train", 0.4, 2)
    assert [(m.metric, m.value, m.step) for m in read(lines)] == [
        ("loss/train", 0.5, 1),
        ("loss/val", 0.6, 1),
        ("loss/train", 0.4, 2),
    ]
    assert len(records(lines.path)) == 2


def test_a_name_that_comes_again_in_a_step_is_not_lost(lines):
    lines.scalar("loss", "loss", 1.0, 1)
    lines.scalar("loss", "loss", 2.0, 1)
    assert [m.value for m in read(lines)] == [1.0, 2.0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b/c", 'quote"', "ü", "\ud800"]),
            st.sampled_from(["a", "train"]),
            st.floats() | st.integers(-(10**30), 10**30),
            st.none() | st.integers(-(2**62), 2**62),
        ),
        max_size=30,
    )
)
def test_what_is_reported_is_what_is_read_in_order(tmp_path_factory, points):
    lines = ReportLines(tmp_path_factory.mktemp("spool") / "report.jsonl")
    for title, series, value, step in points:
        lines.scalar(title, series, value, step)
    found = read(lines)
    lines.close()
    assert [m.step for m in found] == [step for _, _, _, step in points]
    for m, (_, _, value, _) in zip(found, points, strict=True):
        assert m.value == float(value) or (math.isnan(m.value) and math.isnan(value))


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.array([0.5]), np.int64(2), 3, 1 << 80])
def test_numbers_of_many_kinds_are_taken(lines, value):
    lines.scalar("a", "b", value, np.int64(3))
    (found,) = read(lines)
    assert (found.value, found.step) == (float(np.asarray(value, dtype=float).item()), 3)


@pytest.mark.parametrize("value", ["0.5", None, True, (0.5, 0.1), [1.0], np.zeros(3), object()])
def test_what_is_no_number_is_refused_at_once(lines, value):
    with pytest.raises(InputError, match="one number"):
        lines.scalar("a", "b", value, 1)


@pytest.mark.parametrize("step", [1.5, "x", True, float("nan"), 1 << 63])
def test_a_step_that_is_no_whole_number_is_refused(lines, step):
    with pytest.raises(InputError, match="step"):
        lines.scalar("a", "b", 1.0, step)


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 501])
def test_names_that_a_line_cannot_hold_are_refused(lines, name):
    with pytest.raises(InputError, match="named"):
        lines.scalar(name, name, 1.0, 1)


def test_a_name_that_has_a_meaning_in_a_line_is_written_in_full(lines):
    for name in ("at", "step", "meristem"):
        lines.scalar(name, name, 1.0, 1)
    assert [title_and_series(m.metric) for m in read(lines)] == [(n, n) for n in ("at", "step", "meristem")]


def test_a_record_stands_between_the_scalars_around_it(lines):
    lines.scalar("a", "a", 1.0, 1)
    lines.record("comment", text="two")
    lines.scalar("a", "a", 3.0, 1)
    lines.scalars(1, {"b": (4.0, 0.5)})
    lines.flush()
    assert [r.get("meristem") for r in records(lines.path)] == [None, "comment", None, None]
    assert [m.value for m in read(lines)] == [1.0, 3.0, 4.0]


def test_a_step_of_very_many_scalars_is_split(lines):
    for i in range(1200):
        lines.scalar("a", str(i), 1.0, 1)
    assert len(read(lines)) == 1200
    assert len(records(lines.path)) == 3


def test_scalars_of_many_threads_all_arrive(lines):
    def report(thread):
        for step in range(200):
            lines.scalar("t", str(thread), step, step)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report, range(8)))
    found = read(lines)
    for thread in range(8):
        assert [m.value for m in found if m.metric == f"t/{thread}"] == list(range(200))


def test_a_forked_child_reports_at_once_and_repeats_nothing_of_its_parent(lines):
    lines.scalar("a", "parent", 1.0, 1)
    pid = os.fork()
    if pid == 0:
        lines.scalar("a", "child", 2.0, 1)
        os._exit(0)
    os.waitpid(pid, 0)
    lines.scalar("a", "parent", 3.0, 2)
    assert sorted((m.metric, m.value) for m in read(lines)) == [("a/child", 2.0), ("a/parent", 1.0), ("a/parent", 3.0)]


def test_a_fork_within_another_threads_report_does_not_hang_the_child(lines):
    ended = threading.Event()

    def report():
        while not ended.is_set():
            lines.scalar("a", "thread", 1.0, 1)

    thread = threading.Thread(target=report)
    thread.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                lines.scalar("a", "child", 2.0, 1)
                os._exit(0)
            os.waitpid(pid, 0)
    finally:
        ended.set()
        thread.join()
    assert sum(m.metric == "a/child" for m in read(lines)) == 20


def test_what_was_reported_is_in_the_file_within_moments(lines):
    lines.scalar("a", "a", 1.0, 1)
    for _ in range(200):
        if lines.path.exists() and lines.path.stat().st_size:
            break
        threading.Event().wait(0.02)
    assert [m.value for m in SpoolReader(lines.path).read()] == [1.0]


def test_reports_after_the_end_are_dropped_with_one_warning(lines, capfd):
    lines.scalar("a", "a", 1.0, 1)
    lines.close()
    for step in range(3):
        lines.scalar("a", "a", 2.0, step)
        lines.record("comment", text="late")
    lines.flush()
    assert [m.value for m in read(lines)] == [1.0]
    assert capfd.readouterr().err.count("after the task had ended") == 1


def test_a_limit_drops_what_is_more_with_one_warning(tmp_path, capfd):
    lines = ReportLines(tmp_path / "report.jsonl", limit_bytes=1000)
    for step in range(500):
        lines.record("comment", text="x" * 50, step=step)
    lines.close()
    assert 800 < lines.path.stat().st_size <= 1000
    assert all(r["meristem"] == "comment" for r in records(lines.path))
    assert capfd.readouterr().err.count("limit of 1,000 bytes") == 1


class Disk:
    """Stands before os.write: takes only so many bytes until it is emptied."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(append_file.os, "write", self.write)

    def write(self, file, data):
        if self.room is None:
            return self._write(file, data)
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(file, bytes(data)[: self.room])
        self.room -= written
        return written


def test_a_full_disk_stops_nothing_and_what_waits_is_written_once_there_is_room(lines, monkeypatch, capfd):
    disk = Disk(monkeypatch, room=100)
    for step in range(50):
        lines.scalar("a", "a", float(step), step)
        lines.flush()
    disk.room = None
    assert [m.value for m in read(lines)] == [float(step) for step in range(50)]
    assert capfd.readouterr().err.count("No space left") == 1


def test_a_forked_child_does_not_write_what_its_parent_could_not_yet(lines, monkeypatch):
    disk = Disk(monkeypatch, room=0)
    lines.scalar("a", "parent", 1.0, 1)
    pid = os.fork()
    disk.room = None
    if pid == 0:
        lines.scalar("a", "child", 2.0, 1)
        lines.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    assert [m.metric for m in read(lines)] == ["a/child", "a/parent"]


def test_a_disk_that_stays_full_costs_bounded_memory(tmp_path, monkeypatch, capfd):
    Disk(monkeypatch, room=0)
    file = AppendFile(tmp_path / "log", what="a log", limit_bytes=1 << 40)
    taken = sum(file.append(b"x" * (1 << 20)) for _ in range(20))
    assert taken == 8
    file.close()
    assert "are lost" in capfd.readouterr().err


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path, capfd):
    (tmp_path / "file").write_text("")
    lines = ReportLines(Path(tmp_path / "file" / "report.jsonl"))
    lines.scalar("a", "a", 1.0, 1)
    assert not lines.flush()
    lines.close()
    assert "cannot be written" in capfd.readouterr().err
