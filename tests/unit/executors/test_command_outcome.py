"""An exit code and what lies in the folder decide what came of a command."""

from __future__ import annotations

import math

import pytest

from meristem.executors.command_outcome import (
    STDERR_FILE,
    STDOUT_FILE,
    LastValues,
    completed_or_failed,
    stopped,
)
from meristem.executors.group_leader import in_words
from meristem.spool import Measurement
from meristem.study.protocols import OutcomeStatus


def outcome(folder, *, code=0, metrics=None, faults=()):
    return completed_or_failed(folder, code, metrics=metrics or {}, faults=faults)


def test_the_last_value_of_each_metric_counts_and_final_ones_win():
    last = LastValues()
    last.add([Measurement(metric="a", value=9.0), Measurement(metric="a", value=1.0, step=1)])
    last.add([Measurement(metric="b", value=2.0, step=2), Measurement(metric="b", value=3.0, step=1)])
    assert last.metrics() == {"a": 9.0, "b": 3.0}


def test_reported_metrics_are_the_score_whatever_was_printed(tmp_path):
    (tmp_path / STDOUT_FILE).write_text("7\n")
    assert outcome(tmp_path, metrics={"a": 1.0}).score == {"a": 1.0}


@pytest.mark.parametrize(
    ("printed", "score"),
    [
        ("epoch 1\n0.93\n\n  \n", 0.93),
        ("1e-3", 0.001),
        ('note\n{"accuracy": 0.5}\n', {"accuracy": 0.5}),
        ("x" * 200_000 + "\n42\n", 42.0),
        ("\udcff".encode("utf-8", "surrogateescape").decode("latin-1") + "\n3\n", 3.0),
    ],
)
def test_without_reports_the_last_line_of_output_is_the_result(tmp_path, printed, score):
    (tmp_path / STDOUT_FILE).write_text(printed, encoding="utf-8")
    assert outcome(tmp_path).score == score


def test_a_printed_nan_passes_because_the_engine_decides_about_it(tmp_path):
    (tmp_path / STDOUT_FILE).write_text("nan\n")
    assert math.isnan(outcome(tmp_path).score)


@pytest.mark.parametrize("printed", ["", "done\n", "[1, 2]\n", '"text"\n', "{}\n", "true\n", "[" * 60_000])
def test_a_command_that_tells_no_result_failed_and_is_told_how(tmp_path, printed):
    (tmp_path / STDOUT_FILE).write_text(printed)
    found = outcome(tmp_path)
    assert found.status is OutcomeStatus.FAILED
    assert "$MERISTEM_REPORT" in found.error


def test_report_lines_that_cannot_be_read_are_mentioned(tmp_path):
    assert "b'oops': bad" in outcome(tmp_path, faults=["b'oops': bad"]).error


def test_a_failure_shows_the_exit_code_and_the_last_lines_of_stderr(tmp_path):
    (tmp_path / STDERR_FILE).write_bytes(b"\xff\n" * 9_000 + b"".join(b"line %d\n" % n for n in range(30)))
    found = outcome(tmp_path, code=3, metrics={"a": 1.0})
    assert found.status is OutcomeStatus.FAILED
    assert found.error == "exit code 3"
    assert found.traceback.splitlines() == [f"line {n}" for n in range(10, 30)]


def test_a_folder_that_is_gone_is_no_error(tmp_path):
    assert outcome(tmp_path / "gone", code=1).traceback is None


def test_a_stopped_command_keeps_what_it_measured():
    assert stopped({"a": 1.0}).score == {"a": 1.0}
    assert stopped({}).score is None


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
