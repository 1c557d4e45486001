"""A spool folder says what the task is, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meristem.errors import InputError
from meristem.tasks.process_mark import is_alive, process_mark
from meristem.tasks.spool_folder import SpoolFolder, TaskFile, new_task_id, scalar_name, title_and_series

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=3,
)


@given(words, words, st.lists(words, max_size=3), st.dictionaries(words, json_values, max_size=3), st.booleans())
def test_a_task_file_is_read_as_it_was_written(project, name, tags, parameters, remote):
    task = TaskFile(
        id=new_task_id(), project=project, name=name, tags=tuple(tags), parameters=parameters, remote=remote, pid=3
    )
    assert TaskFile.from_json(json.loads(json.dumps(task.to_json()))) == task


def test_a_task_is_written_to_its_folder_and_nothing_else_stays_there(tmp_path):
    folder = SpoolFolder(tmp_path / "new")
    task = TaskFile(id=new_task_id(), project="p", name="ü")
    folder.write_task(task)
    assert folder.read_task() == task
    assert os.listdir(folder.path) == ["task.json"]


def test_keys_of_a_later_meristem_are_passed_over():
    given = {**TaskFile(id="a", project="p", name="n").to_json(), "from_the_future": 1}
    assert TaskFile.from_json(given).project == "p"


@pytest.mark.parametrize("given", [[], {}, {"id": "a"}, {"id": "a", "project": "p", "name": "n", "version": 2}])
def test_what_is_no_task_is_refused(given):
    with pytest.raises(InputError, match=r"task\.json"):
        TaskFile.from_json(given)


def test_a_broken_task_file_is_named(tmp_path):
    folder = SpoolFolder(tmp_path)
    folder.task_file.write_text('{"id": ')
    with pytest.raises(InputError, match="is no JSON"):
        folder.read_task()


def test_an_id_is_never_taken_for_a_number():
    for _ in range(100):
        identity = new_task_id()
        assert len(identity) == 16
        assert identity[0] in "abcdef"
        int(identity, 16)


def test_asking_to_stop_may_be_repeated(tmp_path):
    folder = SpoolFolder(tmp_path)
    assert not folder.stop_asked()
    folder.ask_to_stop()
    folder.ask_to_stop()
    assert folder.stop_asked()


def test_an_exit_status_is_one_byte_that_may_be_missing(tmp_path):
    folder = SpoolFolder(tmp_path)
    assert folder.read_exit_status() is None
    folder.exit_status.write_bytes(b"")
    assert folder.read_exit_status() is None
    folder.exit_status.write_bytes(b"\x03")
    assert folder.read_exit_status() == 3


@pytest.mark.parametrize(
    ("title", "series", "name"), [("loss", "train", "loss/train"), ("loss", "loss", "loss"), ("a", "b/c", "a/b/c")]
)
def test_a_title_and_series_share_a_name_and_are_told_apart_again(title, series, name):
    assert scalar_name(title, series) == name
    assert title_and_series(name) == (title, series)


@pytest.mark.parametrize("name", ["/a", "a/", "/", "a"])
def test_a_name_without_two_parts_is_title_and_series_at_once(name):
    assert title_and_series(name) == (name, name)


def test_a_process_lives_until_it_ends_also_when_nobody_waits_for_it():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        mark = process_mark(child.pid)
        assert is_alive(child.pid, mark) is True
        assert child.stdin is not None
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is a zombie still
        assert is_alive(child.pid, mark) is False


def test_another_process_of_the_same_pid_is_not_taken_for_it():
    mark = process_mark()
    assert is_alive(os.getpid(), mark) is True
    host, boot, start = mark.split(" ")
    assert is_alive(os.getpid(), f"{host} {boot} {int(start) - 1}") is False
    assert is_alive(os.getpid(), f"{host} another-boot {start}") is False


def test_a_process_of_another_machine_cannot_be_told():
    _, boot, start = process_mark().split(" ")
    assert is_alive(os.getpid(), f"elsewhere {boot} {start}") is None
    assert is_alive(None, None) is None
