"""The trial as the training function sees it, and arguments that executors refuse."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from meristem.errors import InputError, StopTrial
from meristem.executors.command import CommandExecutor
from meristem.executors.function import FunctionExecutor
from meristem.executors.training import TrainingTrial
from meristem.study.protocols import Attempt


def trial_in(folder, written=None, asked=None):
    written = [] if written is None else written
    asked = asked or threading.Event()
    return TrainingTrial(
        study="s",
        number=3,
        attempt=1,
        parameters={"lr": 0.1},
        slot=0,
        gpus=(),
        place=folder / "3",
        write=lambda step, metrics: written.append((step, dict(metrics))),
        asked=asked.is_set,
    )


def test_parameters_can_be_read_like_a_dict(tmp_path):
    trial = trial_in(tmp_path)
    assert trial["lr"] == trial.get("lr") == trial.parameters["lr"] == 0.1
    assert trial.get("depth", 4) == 4
    assert "lr" in trial
    assert "depth" not in trial
    with pytest.raises(KeyError, match="depth"):
        trial["depth"]


def test_the_folder_is_made_when_first_asked_for(tmp_path):
    trial = trial_in(tmp_path)
    assert not (tmp_path / "3").exists()
    assert trial.folder.is_dir()
    assert trial.folder == tmp_path / "3"


def test_a_report_is_written_also_when_the_trial_is_then_told_to_stop(tmp_path):
    written, asked = [], threading.Event()
    trial = trial_in(tmp_path, written, asked)
    trial.report(1, loss=0.5)
    assert not trial.stop_asked()
    asked.set()
    assert trial.stop_asked()
    with pytest.raises(StopTrial):
        trial.report(loss=0.25)
    assert written == [(1, {"loss": 0.5}), (None, {"loss": 0.25})]


def test_a_report_from_a_thread_that_outlived_its_trial_is_not_heard(tmp_path):
    ended, late = threading.Event(), threading.Event()

    def train(trial):
        def go_on():
            ended.wait(5)
            trial.report(loss=9.0)
            late.set()

        threading.Thread(target=go_on).start()
        return 1.0

    executor = FunctionExecutor(train, isolate=False)
    executor.open(1)
    executor.start(Attempt(study="s", number=1, attempt=1, parameters={}, folder=tmp_path, slot=0))
    (report,) = executor.poll(timedelta(seconds=5))
    ended.set()
    assert late.wait(5)
    assert report.outcome.score == 1.0
    assert executor.poll(timedelta(0)) == []
    executor.close()


def test_what_cannot_be_called_is_refused():
    with pytest.raises(InputError, match="cannot be called"):
        FunctionExecutor(3)


def test_a_function_that_cannot_be_sent_is_refused_with_the_way_out():
    lock = threading.Lock()
    executor = FunctionExecutor(lambda trial: lock.locked())
    with pytest.raises(InputError, match="isolate=False"):
        executor.open(1)
    executor.close()


@pytest.mark.parametrize(
    ("command", "more", "problem"),
    [
        ("  ", {}, "is empty"),
        ([], {}, "list of arguments"),
        ({"a": 1}, {}, "list of arguments"),
        (["a", None], {}, "neither text nor a number"),
        ("a", {"cwd": "/no/such/folder"}, "no folder"),
        ("a", {"env": ["A"]}, "'env' must be a mapping"),
        ("a", {"env": {"A=B": "1"}}, "no name of a variable"),
    ],
)
def test_a_command_that_cannot_be_used_is_refused(command, more, problem):
    with pytest.raises(InputError, match=problem):
        CommandExecutor(command, **more)


def test_all_mistakes_of_a_command_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        CommandExecutor("", cwd="/no/such/folder", env=3)
    assert len(caught.value.problems) == 3
