"""Where a training runs, what it asked for, and how it ended are decided on what is given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem import spool
from meristem.errors import InputError
from meristem.spool import SpoolReader, measurements_of
from meristem.tasks.capture_switches import Capture, capture_of
from meristem.tasks.endings import Ending, ending_of
from meristem.tasks.exit_status import status_of
from meristem.tasks.modes import Mode, Wanted, find_mode, place_of
from meristem.tasks.reporting.json_values import cell, dumps


@pytest.mark.parametrize(
    ("environment", "spawned", "mode", "place"),
    [
        ({}, False, Mode.BY_HAND, None),
        ({"RANK": "0"}, False, Mode.BY_HAND, None),
        ({"RANK": "3"}, False, Mode.MUTE, None),
        ({"MERISTEM_TASK": "/f/task.json", "MERISTEM_REPORT": "/f/report.jsonl"}, False, Mode.WORKER, "/f"),
        ({"MERISTEM_TASK": "/f/task.json", "RANK": "1"}, False, Mode.WORKER, "/f"),
        ({"MERISTEM_TASK": "/f/task.json"}, True, Mode.ATTACHED, "/f"),
        ({"MERISTEM_REPORT": "/t/report.jsonl"}, False, Mode.TRIAL, "/t"),
        ({"MERISTEM_TASK_OF_PARENT": "/p"}, True, Mode.ATTACHED, "/p"),
        ({"MERISTEM_TASK_OF_PARENT": "/p"}, False, Mode.BY_HAND, None),
        ({}, True, Mode.BY_HAND, None),
    ],
)
def test_where_a_training_runs_is_told_by_its_environment(environment, spawned, mode, place):
    assert find_mode(environment, spawned=spawned) is mode
    assert place_of(mode, environment) == (None if place is None else Path(place))


def test_all_mistakes_of_init_are_told_at_once():
    with pytest.raises(InputError) as caught:
        Wanted(project="", name=3, tags=("ok", ""))
    assert len(caught.value.problems) == 3


def test_captures_are_switched_off_by_name():
    assert capture_of(True) == Capture()
    assert not any(getattr(capture_of(False), name) for name in Capture.__slots__)
    assert capture_of({"console": False}) == Capture(console=False)


@pytest.mark.parametrize("given", [{"consle": False}, {"console": 0}, "console", None])
def test_a_switch_that_does_not_exist_is_refused(given):
    with pytest.raises(InputError, match="console"):
        capture_of(given)


@given(
    st.sampled_from(["completed", "failed", "aborted"]),
    st.text(st.characters(codec="utf-8")),
    st.text(st.characters(codec="utf-8")),
    st.booleans(),
)
def test_an_ending_is_read_as_it_was_written(status, message, traceback, at_exit):
    ending = Ending(status=status, message=message, traceback=traceback, at_exit=at_exit)
    assert Ending.from_json(json.loads(json.dumps(ending.to_json()))) == ending


@pytest.mark.parametrize(
    ("ending", "status", "expected"),
    [
        (Ending(status="completed", at_exit=True), 3, "failed"),
        (Ending(status="completed", at_exit=True), 0, "completed"),
        (Ending(status="completed", at_exit=True), None, "completed"),
        (Ending(status="completed"), 3, "completed"),  # it was closed before the script failed
        (Ending(status="aborted", at_exit=True), 3, "aborted"),
    ],
)
def test_an_exit_status_corrects_what_was_told_before_it_was_known(ending, status, expected):
    assert ending.corrected(status).status == expected


@pytest.mark.parametrize(
    ("code", "status"), [(None, 0), (0, 0), (3, 3), (256, 0), (-1, 255), (True, 1), ("text", 1), (1.0, 1)]
)
def test_the_exit_status_of_a_code_is_pythons(code, status):
    assert status_of(code) == status


def test_an_exception_that_cannot_be_printed_is_an_ending_too():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

    assert ending_of(Broken()).status == "failed"


def test_records_of_tasks_are_passed_over_by_readers_of_trials(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_text('{"a": 1}\n{"meristem": "plot", "title": "x", "step": "odd"}\n{"meristem": 2.0}\n')
    reader = SpoolReader(path)
    assert [(m.metric, m.value) for m in reader.read()] == [("a", 1.0), ("meristem", 2.0)]
    assert reader.faults == []
    assert measurements_of({"at": 1, "meristem": "ended"}) == []


def test_plain_reports_go_to_the_task_of_the_process():
    seen = []
    spool.send_reports_to(lambda step, metrics: seen.append((step, dict(metrics))))
    try:
        spool.report(step=1, loss=0.5)
    finally:
        spool.send_reports_to(None)
    spool.report(step=2, loss=0.5)
    assert seen == [(1, {"loss": 0.5})]


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_a_cell_of_a_table_is_always_strict_json(value):
    json.dumps(cell(value), allow_nan=False)


def test_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="limit"):
        dumps("x" * 100, limit_characters=50)
