"""An exit code and what lies in the folder decide what came of a command."""

from __future__ import annotations

import math

import pytest

from meristem.executors.command_outcome import (
    STDERR_FILE,
    STDOUT_FILE,
    completed_or_failed,
)
from meristem.processes.group_leader import in_words
from meristem.study.protocols import OutcomeStatus


def outcome(folder, *, code=0, reported=False, faults=()):
    return completed_or_failed(folder, code, reported=reported, faults=faults)


def test_what_was_reported_counts_whatever_was_printed(tmp_path):
    (tmp_path / STDOUT_FILE).write_text("7\n")
    found = outcome(tmp_path, reported=True)
    assert found.status is OutcomeStatus.COMPLETED
    assert found.score is None


@pytest.mark.parametrize(
    ("printed", "score"),
    [
        ("0.93\n\n  \n", 0.93),
        ("1e-3", 0.001),
        ('note\n{"accuracy": 0.5}\n', {"accuracy": 0.5}),
        ("x" * 200_000 + '\n{"a": 42}\n', {"a": 42}),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1") + '\n{"a": 3}\n', {"a": 3}),
    ],
)
def test_without_reports_an_object_in_the_last_line_or_a_lone_number_is_the_result(tmp_path, printed, score):
    (tmp_path / STDOUT_FILE).write_text(printed, encoding="utf-8")
    assert outcome(tmp_path).score == score


def test_a_printed_nan_passes_because_the_engine_decides_about_it(tmp_path):
    (tmp_path / STDOUT_FILE).write_text("nan\n")
    assert math.isnan(outcome(tmp_path).score)


@pytest.mark.parametrize(
    "printed",
    ["", "done\n", "epoch 1\n12\n", "accuracy 0.5\n77\n", "[1, 2]\n", '"text"\n', "{}\n", "true\n", "[" * 60_000],
)
def test_a_command_that_tells_no_result_failed_and_is_told_how(tmp_path, printed):
    (tmp_path / STDOUT_FILE).write_text(printed)
    found = outcome(tmp_path)
    assert found.status is OutcomeStatus.FAILED
    assert "$MERISTEM_REPORT" in found.error


def test_report_lines_that_cannot_be_read_are_mentioned(tmp_path):
    assert "b'oops': bad" in outcome(tmp_path, faults=["b'oops': bad"]).error


def test_a_failure_shows_the_exit_code_and_the_last_lines_of_stderr(tmp_path):
    (tmp_path / STDERR_FILE).write_bytes(b"\xff\n" * 9_000 + b"".join(b"line %d\n" % n for n in range(30)))
    found = outcome(tmp_path, code=3, reported=True)
    assert found.status is OutcomeStatus.FAILED
    assert found.error == "exit code 3: line 29"
    assert found.traceback.splitlines() == [f"line {n}" for n in range(10, 30)]


def test_a_folder_that_is_gone_is_no_error(tmp_path):
    assert outcome(tmp_path / "gone", code=1).traceback is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "exit code 3"),
        (255, "exit code 255"),
        (-9, "killed by SIGKILL (most likely the system ran out of memory"),
        (139, "killed by SIGSEGV (native code crashed"),
        (-1, "killed by SIGHUP"),
        (None, "without an exit code"),
    ],
)
def test_exit_codes_are_told_in_words(code, words):
    assert words in in_words(code)
