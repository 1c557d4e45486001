"""What came of an attempt follows from how its process ended, and from who asked for it."""

from __future__ import annotations

import pytest

from meristem.statuses import Cause, TaskStatus
from meristem.workers.ending import Ended, read_ended, verdict


def test_exit_code_0_is_completed_with_what_a_function_returned():
    found = verdict(Ended(result={"a": 1}))
    assert (found.status, found.cause, found.result) == (TaskStatus.COMPLETED, None, {"a": 1})


@pytest.mark.parametrize(
    ("ended", "cause", "message"),
    [
        (Ended(code=3, tail="x\nValueError: no\n"), Cause.CODE_FAILED, "exit code 3: ValueError: no"),
        (Ended(code=-11), Cause.CODE_FAILED, "SIGSEGV"),
        (Ended(code=-9), Cause.OUT_OF_MEMORY, "most likely the system ran out of memory"),
        (Ended(code=-9, oom=True), Cause.OUT_OF_MEMORY, "SIGKILL: the system ran out of memory"),
        (Ended(code=-9, oom=False), Cause.CODE_FAILED, "was killed by SIGKILL, not for lack of memory"),
        (Ended(code=1, oom=True), Cause.OUT_OF_MEMORY, "the system ran out of memory"),
        (Ended(prepared=False, code=1, message="no such commit"), Cause.NOT_PREPARED, "no such commit"),
        (Ended(prepared=False, code=-9), Cause.NOT_PREPARED, "SIGKILL"),
        (Ended(gone=True, code=None), Cause.OUT_OF_MEMORY, "watched over"),
        (Ended(code=1, message="KeyError: 'x'"), Cause.CODE_FAILED, "KeyError: 'x'"),
        (Ended(code=1, fault="the console could not be written: No space"), Cause.CODE_FAILED, "No space"),
    ],
)
def test_failures_have_a_cause_and_a_reason(ended, cause, message):
    found = verdict(ended)
    assert (found.status, found.cause) == (TaskStatus.FAILED, cause)
    assert message in (found.message or "")


def test_a_task_that_was_asked_to_end_is_aborted_whatever_its_exit_code():
    for code in (0, 1, -15):
        assert verdict(Ended(code=code, stopped=True), abort="enough").status is TaskStatus.ABORTED


def test_a_task_that_ended_before_the_wish_reached_it_ended_by_itself():
    assert verdict(Ended(code=0), abort="enough").status is TaskStatus.COMPLETED
    assert verdict(Ended(code=0), hand_back="bye").status is TaskStatus.COMPLETED


def test_what_a_worker_hands_back_goes_to_its_queue_even_if_it_ended_well_when_asked():
    found = verdict(Ended(code=0, stopped=True), hand_back="bye")
    assert (found.status, found.cause, found.message) == (None, Cause.PREEMPTED, "bye")


def test_a_kill_of_ours_is_told_and_not_taken_for_a_lack_of_memory():
    found = verdict(Ended(code=-9, stopped=True, killed=True), abort="enough")
    assert "killed" in (found.message or "")


def test_an_attendant_that_told_nothing_is_gone():
    assert read_ended(None, None).gone


def test_the_last_line_is_the_last_state_of_a_progress_bar():
    assert (verdict(Ended(code=1, tail="1%\r50%\r  \n\n")).message or "").startswith("exit code 1")
    assert "50%" in (verdict(Ended(code=1, tail="1%\r50%\n")).message or "")


@pytest.mark.parametrize(("path", "hinted"), [("data/x.csv", True), ("/shared/x.csv", False)])
def test_a_missing_file_of_a_relative_path_is_told_with_how_data_reaches_a_worker(path: str, hinted: bool):
    tail = f"FileNotFoundError: [Errno 2] No such file or directory: '{path}'\n"
    message = verdict(Ended(code=1, tail=tail)).message
    assert message is not None
    assert ("give its path as a parameter" in message) is hinted
